package awsconf

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/internal/conf"
	"github.com/sluicelog/sluice/internal/param"
)

// decode makes a Config of configuration lines.
func decode(t *testing.T, lines string) (*Config, error) {
	t.Helper()
	var problems conf.Problems
	tree, err := conf.Parse("fluent.conf", []byte("<match **>\n"+lines+"\n</match>\n"), conf.Options{Problems: &problems})
	if err != nil {
		t.Fatal(err)
	}
	c := &Config{}
	param.Decode(tree.Children[0], "match ** (s3)", &problems, c.Params)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return c, c.Check()
}

// isolate hides the machine's own identity.
func isolate(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

const stsAnswer = `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials>
<AccessKeyId>%[2]s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>
</Credentials></%[1]sResult></%[1]sResponse>`

// tokenService answers as STS and tells what it was asked.
func tokenService(t *testing.T) (endpoint string, asked *url.Values) {
	asked = &url.Values{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked, _ = url.ParseQuery(string(body))
		asked.Set("signed", fmt.Sprint(strings.Contains(r.Header.Get("Authorization"), "Credential=USER/")))
		asked.Set("region", strings.Join(strings.Split(r.Header.Get("Authorization")+"////", "/")[2:3], ""))
		fmt.Fprintf(w, stsAnswer, asked.Get("Action"), asked.Get("Action"))
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func metadataService(t *testing.T) (host, port string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut:
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
			fmt.Fprint(w, "token")
		case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
			fmt.Fprint(w, "role")
		default:
			fmt.Fprint(w, `{"Code":"Success","AccessKeyId":"INSTANCE","SecretAccessKey":"s","Token":"t","Expiration":"2100-01-01T00:00:00Z"}`)
		}
	}))
	t.Cleanup(s.Close)
	u, _ := url.Parse(s.URL)
	return u.Hostname(), u.Port()
}

// TestPrecedence takes the sources away one by one, from the first in
// fluent-plugin-s3's order to the last.
func TestPrecedence(t *testing.T) {
	isolate(t)
	endpoint, asked := tokenService(t)
	host, port := metadataService(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	shared := file("shared", "[default]\naws_access_key_id=DEFAULT\naws_secret_access_key=s\n[p]\naws_access_key_id=SHARED\naws_secret_access_key=s\n")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file("credentials", "[prof]\naws_access_key_id=PROFILE\naws_secret_access_key=s\n"))
	t.Setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	token := file("token", "jwt")
	sources := []struct{ lines, want string }{
		{"<assume_role_credentials>\nrole_arn arn:r\nrole_session_name n\nexternal_id x\nduration_seconds 900\nsts_region eu-west-1\nsts_endpoint_url " + endpoint + "\n</assume_role_credentials>", "AssumeRole"},
		{"aws_key_id USER\naws_sec_key s", "USER"},
		{"aws_profile prof", "PROFILE"},
		{`aws_credential_process echo '{"Version":1,"AccessKeyId":"PROCESS","SecretAccessKey":"s"}'`, "PROCESS"},
		{"<web_identity_credentials>\nrole_arn arn:w\nrole_session_name n\nweb_identity_token_file " + token + "\nsts_endpoint_url " + endpoint + "\n</web_identity_credentials>", "AssumeRoleWithWebIdentity"},
		{"<instance_profile_credentials>\nip_address " + host + "\nport " + port + "\nhttp_open_timeout 1\nhttp_read_timeout 1\n</instance_profile_credentials>", "INSTANCE"},
		{"<shared_credentials>\npath " + shared + "\nprofile_name p\n</shared_credentials>", "SHARED"},
		{"", "ENVIRONMENT"},
	}
	for i, first := range sources {
		if first.want == "INSTANCE" {
			t.Setenv("AWS_EC2_METADATA_DISABLED", "")
		}
		var lines []string
		for _, s := range sources[i:] {
			lines = append(lines, s.lines)
		}
		c, err := decode(t, strings.Join(lines, "\n"))
		if err != nil {
			t.Fatalf("%s: %v", first.want, err)
		}
		got, err := c.NewConfig(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", first.want, err)
		}
		keys, err := got.Credentials.Retrieve(t.Context())
		if err != nil || keys.AccessKeyID != first.want {
			t.Errorf("got %s, %v, want %s", keys.AccessKeyID, err, first.want)
		}
		if first.want == "AssumeRole" {
			want := url.Values{"RoleArn": {"arn:r"}, "RoleSessionName": {"n"}, "ExternalId": {"x"}, "DurationSeconds": {"900"}, "signed": {"true"}, "region": {"eu-west-1"}}
			for name := range want {
				if asked.Get(name) != want.Get(name) {
					t.Errorf("%s: got %q, want %q", name, asked.Get(name), want.Get(name))
				}
			}
		}
	}
}

// TestSharedFileChanges reads keys anew that somebody has rotated.
func TestSharedFileChanges(t *testing.T) {
	isolate(t)
	path := filepath.Join(t.TempDir(), "credentials")
	s := &sharedFile{path: path}
	provider := s.credentials()
	if _, err := provider.Retrieve(t.Context()); err == nil {
		t.Error("no error for a file that is not there")
	}
	if err := os.WriteFile(path, []byte("[default]\naws_access_key_id=A\naws_secret_access_key=s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := provider.Retrieve(t.Context())
	if err != nil || keys.AccessKeyID != "A" || !keys.CanExpire {
		t.Errorf("got %+v, %v", keys.AccessKeyID, err)
	}
}

func TestMissingProfile(t *testing.T) {
	isolate(t)
	c, err := decode(t, "aws_profile nobody")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.NewConfig(t.Context()); err == nil || KindOf(err) != Fatal {
		t.Errorf("got %v", err)
	}
}

// TestRegion: the environment counts when the configuration is silent.
func TestRegion(t *testing.T) {
	isolate(t)
	if got := (&Config{}).RegionName(); got != DefaultRegion {
		t.Errorf("got %s", got)
	}
	t.Setenv("AWS_REGION", "eu-north-1")
	if got := (&Config{}).RegionName(); got != "eu-north-1" {
		t.Errorf("got %s", got)
	}
	if got := (&Config{Region: "garage"}).RegionName(); got != "garage" {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{"us east", "-a", "a/b", strings.Repeat("x", 64)} {
		if (&Config{Region: bad}).CheckRegion("s3_region") == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestSecretsStaySecret: no error about a key shows it.
func TestSecretsStaySecret(t *testing.T) {
	for _, lines := range []string{"aws_key_id AKID EXAMPLE\naws_sec_key x", "aws_key_id A\naws_sec_key \"hush hush\\n\"", "proxy_uri hush:hush"} {
		_, err := decode(t, lines)
		if err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "AKID") {
			t.Errorf("%s: got %v", lines, err)
		}
	}
}

func TestHalfAKey(t *testing.T) {
	c, err := decode(t, "aws_key_id A")
	if err != nil || c.Warning() == "" {
		t.Errorf("got %v, %q", err, c.Warning())
	}
}
