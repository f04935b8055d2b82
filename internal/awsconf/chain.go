package awsconf

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
)

// NewConfig is the SDK's configuration. It reads files but sends nothing, except
// that a profile may name a source that is asked. The SDK's own retries are off:
// whoever sends conditional requests must know of every attempt. An error of the
// kind [Fatal] is the configuration's fault.
func (c *Config) NewConfig(ctx context.Context) (aws.Config, error) {
	client, err := c.httpClient(c.proxy)
	if err != nil {
		return aws.Config{}, &fatal{err}
	}
	source, err := c.credentials(ctx)
	if err != nil {
		return aws.Config{}, err
	}
	return aws.Config{
		Region:                     c.region(),
		Credentials:                source,
		HTTPClient:                 client,
		Retryer:                    func() aws.Retryer { return aws.NopRetryer{} },
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		Logger:                     logging.Nop{},
	}, nil
}

// credentials picks the source in fluent-plugin-s3's order.
func (c *Config) credentials(ctx context.Context) (aws.CredentialsProvider, error) {
	switch {
	case c.roleSet:
		return c.assumeRole(ctx)
	case c.hasKeys():
		return c.keys(), nil
	case c.profile != "":
		return c.chain(ctx, config.WithSharedConfigProfile(c.profile))
	case c.process != "":
		return aws.NewCredentialsCache(processcreds.NewProvider(c.process)), nil
	case c.webSet:
		return c.webIdentity()
	case c.instanceSet:
		return c.instance.credentials(), nil
	case c.sharedSet:
		return c.shared.credentials(), nil
	case c.iamRetriesSet:
		i := instanceProfile{retries: c.iamRetries, address: "169.254.169.254", port: 80, openTimeout: 5 * time.Second, readTimeout: 5 * time.Second}
		return i.credentials(), nil
	}
	return c.chain(ctx)
}

func (c *Config) keys() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(c.keyID, c.secret, "")
}

// chain is the SDK's own order. It keeps the SDK's own HTTP client: the metadata
// services that it asks are never behind the proxy of the bucket.
func (c *Config) chain(ctx context.Context, options ...func(*config.LoadOptions) error) (aws.CredentialsProvider, error) {
	options = append(options, config.WithRegion(c.region()), config.WithLogger(logging.Nop{}))
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, &fatal{fmt.Errorf("read the AWS configuration: %w", err)}
	}
	return loaded.Credentials, nil
}

func (c *Config) assumeRole(ctx context.Context) (aws.CredentialsProvider, error) {
	r := &c.role
	base := c.keys()
	if !c.hasKeys() {
		var err error
		if base, err = c.chain(ctx); err != nil {
			return nil, err
		}
	}
	client, err := c.stsClient(&r.sts, base)
	if err != nil {
		return nil, err
	}
	return aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(client, r.arn, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration = r.session, time.Duration(r.duration)*time.Second
		o.Policy, o.ExternalID = optional(r.policy), optional(r.externalID)
	})), nil
}

func (c *Config) webIdentity() (aws.CredentialsProvider, error) {
	w := &c.web
	client, err := c.stsClient(&w.sts, aws.AnonymousCredentials{})
	if err != nil {
		return nil, err
	}
	token := stscreds.IdentityTokenFile(w.tokenFile)
	return aws.NewCredentialsCache(stscreds.NewWebIdentityRoleProvider(client, w.arn, token, func(o *stscreds.WebIdentityRoleOptions) {
		o.RoleSessionName, o.Duration, o.Policy = w.session, time.Duration(w.duration)*time.Second, optional(w.policy)
	})), nil
}

// stsClient reaches the token service in its own way, with the SDK's retries:
// its requests may be repeated freely.
func (c *Config) stsClient(s *stsAccess, base aws.CredentialsProvider) (*sts.Client, error) {
	client, err := c.httpClient(s.proxy)
	if err != nil {
		return nil, &fatal{err}
	}
	return sts.New(sts.Options{
		Region: cmp.Or(s.region, c.region()), Credentials: base, HTTPClient: client,
		BaseEndpoint: optional(s.endpoint), Logger: logging.Nop{},
	}), nil
}

// ecsAgent is where a task of ECS finds its credentials.
const ecsAgent = "http://169.254.170.2"

// credentials asks the ECS agent when the task has one, else the instance.
func (i *instanceProfile) credentials() aws.CredentialsProvider {
	client := &http.Client{
		Timeout:   i.openTimeout + i.readTimeout,
		Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: i.openTimeout}).DialContext, ResponseHeaderTimeout: i.readTimeout},
	}
	if uri := os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); uri != "" {
		return aws.NewCredentialsCache(endpointcreds.New(cmp.Or(i.agent, ecsAgent)+uri, func(o *endpointcreds.Options) {
			o.HTTPClient, o.Retryer = client, i.retryer()
		}))
	}
	metadata := imds.New(imds.Options{
		Endpoint:   "http://" + net.JoinHostPort(i.address, strconv.Itoa(i.port)),
		HTTPClient: client, Retryer: i.retryer(),
	})
	return aws.NewCredentialsCache(ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = metadata }))
}

func (i *instanceProfile) retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		if i.retries > 0 {
			o.MaxAttempts = i.retries + 1
		}
	})
}

// rereadEvery bounds how long keys that were replaced in a shared file are used.
const rereadEvery = 5 * time.Minute

func (s *sharedFile) credentials() aws.CredentialsProvider {
	return aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		profile := cmp.Or(s.profile, os.Getenv("AWS_PROFILE"), config.DefaultSharedConfigProfile)
		shared, err := config.LoadSharedConfigProfile(ctx, profile, func(o *config.LoadSharedConfigOptions) {
			if s.path != "" {
				o.CredentialsFiles, o.ConfigFiles = []string{s.path}, []string{}
			}
		})
		if err != nil {
			return aws.Credentials{}, fmt.Errorf("read shared credentials: %w", err)
		}
		found := shared.Credentials
		if !found.HasKeys() {
			return aws.Credentials{}, fmt.Errorf("read shared credentials: profile %s has no keys", profile)
		}
		found.CanExpire, found.Expires = true, time.Now().Add(rereadEvery)
		return found, nil
	}))
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
