// Package awsconf says who the relay is towards AWS, or towards a store that
// speaks S3's language, and how it gets there.
//
// A plugin embeds a [Config] and declares its parameters, which have the names,
// the precedence and the meaning of fluent-plugin-s3: a role to assume, fixed
// keys, a profile, a credential process, a web identity, an instance profile, a
// shared file, and else the SDK's own chain (environment, files, web identity,
// container, instance). NewConfig turns it into the SDK's configuration, with an
// HTTP client that gives up a connection which makes no progress. KindOf sorts
// errors by what a caller can do about them.
//
// This package and s3sink alone know the AWS SDK.
package awsconf

import (
	"cmp"
	"os"
	"regexp"
	"strings"

	"github.com/sluicelog/sluice/internal/param"
)

// DefaultRegion is where a bucket is looked for when neither the configuration
// nor AWS_REGION says so.
const DefaultRegion = "us-east-1"

// Config is what a configuration says about credentials and the way to the
// service. Region is declared by the plugin, under its own name for it; "" means
// AWS_REGION, else [DefaultRegion].
type Config struct {
	Region string

	keyID, secret string
	profile       string
	process       string
	iamRetriesSet bool
	iamRetries    int

	role        assumedRole
	roleSet     bool
	web         webIdentity
	webSet      bool
	instance    instanceProfile
	instanceSet bool
	shared      sharedFile
	sharedSet   bool

	declared    bool // Params has run: verifyPeer means something
	proxy       string
	verifyPeer  bool
	caBundle    string
	caDirectory string
}

// Params declares the parameters and sections.
func (c *Config) Params(p *param.Set) {
	c.declared = true
	p.String("aws_key_id", &c.keyID, "", "AWS access key id. Leave it out to use the machine's own identity.").Secret()
	p.String("aws_sec_key", &c.secret, "", "AWS secret key that belongs to aws_key_id.").Secret()
	p.String("aws_profile", &c.profile, "", "Profile of the AWS configuration files, single sign-on included.")
	p.String("aws_credential_process", &c.process, "", "Command that prints credentials as JSON, in the form of the SDKs' credential_process.")
	p.Int("aws_iam_retries", &c.iamRetries, 0, "How often the instance profile is asked before giving up.").
		Deprecated("Use 'instance_profile_credentials' instead").Present(&c.iamRetriesSet)
	param.Section(p, "assume_role_credentials", &c.role, declareRole, "Assume a role; with aws_key_id and aws_sec_key as that user, else with the machine's own identity.").Present(&c.roleSet)
	param.Section(p, "web_identity_credentials", &c.web, declareWebIdentity, "Assume a role by a web identity token, such as a Kubernetes service account's.").Present(&c.webSet)
	param.Section(p, "instance_profile_credentials", &c.instance, declareInstance, "Take the credentials of the EC2 instance, or of the ECS task when AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set.").Present(&c.instanceSet)
	param.Section(p, "shared_credentials", &c.shared, declareShared, "Read the keys from a shared credentials file.").Present(&c.sharedSet)
	p.String("proxy_uri", &c.proxy, "", "HTTP proxy on the way to the service; else that of the environment (HTTPS_PROXY, NO_PROXY).").Secret()
	p.Bool("ssl_verify_peer", &c.verifyPeer, true, "Check the service's certificate.")
	p.String("ssl_ca_bundle", &c.caBundle, "", "PEM file of the certificate authorities that are trusted in place of the system's.")
	p.String("ssl_ca_directory", &c.caDirectory, "", "Folder of PEM files of such authorities.")
	p.Ignore("use_bundled_cert", "the system's certificate authorities are used; name others by ssl_ca_bundle")
}

// region is where requests go when a section does not say otherwise.
func (c *Config) region() string {
	return cmp.Or(c.Region, os.Getenv("AWS_REGION"), DefaultRegion)
}

// RegionName is the region that requests are signed for.
func (c *Config) RegionName() string { return c.region() }

var (
	// regionPattern is a DNS label, as the SDKs require, and the underscore that
	// some compatible stores have.
	regionPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$`)
	// keyPattern leaves out what would break the Authorization header: blanks,
	// control characters, the slash and comma that it is made of.
	keyPattern = regexp.MustCompile(`^[!-+\--.0-~]+$`)
)

// CheckRegion holds the rules for a region, without I/O; name is the plugin's
// name for the parameter.
func (c *Config) CheckRegion(name string) error {
	if !regionPattern.MatchString(c.region()) {
		return param.Errorf(name, "write it as us-west-2", "%q is no region", c.region())
	}
	return nil
}

// Check holds the rules between the parameters; it does no I/O.
func (c *Config) Check() error {
	if c.keyID != "" && !keyPattern.MatchString(c.keyID) {
		return param.Errorf("aws_key_id", "it is 16 or more letters and digits, without blanks or quotes", "is no access key id")
	}
	if c.secret != strings.TrimSpace(c.secret) || strings.ContainsFunc(c.secret, func(r rune) bool { return r < ' ' }) {
		return param.Errorf("aws_sec_key", "look for blanks and line ends around it", "is no secret key")
	}
	for _, d := range []int{c.role.duration, c.web.duration} {
		if d != 0 && (d < 900 || d > 43200) {
			return param.Errorf("duration_seconds", "900 to 43200", "the token service takes no duration of %d seconds", d)
		}
	}
	for name, text := range map[string]string{"proxy_uri": c.proxy, "sts_http_proxy": cmp.Or(c.role.sts.proxy, c.web.sts.proxy), "sts_endpoint_url": cmp.Or(c.role.sts.endpoint, c.web.sts.endpoint)} {
		if _, err := parseURL(text); text != "" && err != nil {
			return param.Errorf(name, "write it as http://host:port", "is no URL")
		}
	}
	return nil
}

// Warning is what is odd but allowed, "" mostly: Fluentd ignores one half of the
// keys without a word and takes the default chain.
func (c *Config) Warning() string {
	if (c.keyID == "") != (c.secret == "") {
		return "only one of aws_key_id and aws_sec_key is set; both are ignored"
	}
	return ""
}

func (c *Config) hasKeys() bool { return c.keyID != "" && c.secret != "" }
