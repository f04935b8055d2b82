package awsconf

import (
	"time"

	"github.com/sluicelog/sluice/internal/param"
)

// assumedRole is <assume_role_credentials>.
type assumedRole struct {
	arn, session, policy, externalID string
	duration                         int // seconds; 0 is the service's default
	sts                              stsAccess
}

// webIdentity is <web_identity_credentials>.
type webIdentity struct {
	arn, session, tokenFile, policy string
	duration                        int
	sts                             stsAccess
}

// stsAccess is how the security token service is reached.
type stsAccess struct{ region, proxy, endpoint string }

// instanceProfile is <instance_profile_credentials>.
type instanceProfile struct {
	retries                  int
	address                  string
	port                     int
	openTimeout, readTimeout time.Duration

	agent string // in place of ecsAgent
}

// sharedFile is <shared_credentials>.
type sharedFile struct{ path, profile string }

func declareRole(p *param.Set, r *assumedRole) {
	p.String("role_arn", &r.arn, "", "ARN of the role to assume.").Required()
	p.String("role_session_name", &r.session, "", "Name of the session; it shows in CloudTrail.").Required()
	p.String("policy", &r.policy, "", "IAM policy, as JSON, that narrows the role.")
	p.Int("duration_seconds", &r.duration, 0, "How long the role's credentials are good, 900 to 43200 seconds; 0 is the service's default.")
	p.String("external_id", &r.externalID, "", "External id that the role's trust policy asks for.")
	r.sts.declare(p)
}

func declareWebIdentity(p *param.Set, w *webIdentity) {
	p.String("role_arn", &w.arn, "", "ARN of the role to assume.").Required()
	p.String("role_session_name", &w.session, "", "Name of the session; it shows in CloudTrail.").Required()
	p.String("web_identity_token_file", &w.tokenFile, "", "File that holds the token; it is read anew at each renewal.").Required()
	p.String("policy", &w.policy, "", "IAM policy, as JSON, that narrows the role.")
	p.Int("duration_seconds", &w.duration, 0, "How long the role's credentials are good, 900 to 43200 seconds; 0 is the service's default.")
	w.sts.declare(p)
}

func (s *stsAccess) declare(p *param.Set) {
	p.String("sts_region", &s.region, "", "Region of the token service; the bucket's region when it is not set.")
	p.String("sts_http_proxy", &s.proxy, "", "HTTP proxy on the way to the token service.").Secret()
	p.String("sts_endpoint_url", &s.endpoint, "", "URL of the token service, for private endpoints and compatible stores.")
}

func declareInstance(p *param.Set, i *instanceProfile) {
	p.Int("retries", &i.retries, 0, "How often the metadata service is asked again; 0 is the SDK's default.")
	p.String("ip_address", &i.address, "169.254.169.254", "Address of the metadata service.")
	p.Int("port", &i.port, 80, "Port of the metadata service.")
	p.Time("http_open_timeout", &i.openTimeout, 5*time.Second, "How long connecting to the metadata service may take.")
	p.Time("http_read_timeout", &i.readTimeout, 5*time.Second, "How long the metadata service may take to answer.")
}

func declareShared(p *param.Set, s *sharedFile) {
	p.String("path", &s.path, "", "The file; $HOME/.aws/credentials when it is not set.")
	p.String("profile_name", &s.profile, "", "Profile in the file; AWS_PROFILE, else default, when it is not set.")
}
