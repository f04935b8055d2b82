package awsconf

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// double stands for a service that gives a machine its identity. It writes down what
// it is asked and how its callers prove themselves.
type double struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newDouble(t *testing.T, answer func(r *http.Request) (status int, body string)) *double {
	d := &double{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		status, body := answer(r)
		d.mu.Lock()
		d.asked = append(d.asked, fmt.Sprintf("%s %s %d", r.Method, r.URL.Path, status))
		d.mu.Unlock()
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *double) log() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.asked, "\n")
}

// keysJSON is an answer of the ECS agent and of the instance metadata service.
func keysJSON(id string, expires time.Time) string {
	text, _ := json.Marshal(map[string]string{
		"Code": "Success", "AccessKeyId": id, "SecretAccessKey": "s", "Token": "t", "Expiration": expires.UTC().Format(time.RFC3339),
	})
	return string(text)
}

var farAway = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// retrieve is the key id that a configuration of these lines signs with.
func retrieve(t *testing.T, lines string) (string, error) {
	t.Helper()
	c, err := decode(t, lines)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.NewConfig(t.Context())
	if err != nil {
		return "", err
	}
	keys, err := got.Credentials.Retrieve(t.Context())
	return keys.AccessKeyID, err
}

// TestWebIdentityOfTheEnvironment is a Kubernetes service account with a role (IRSA):
// the token is read anew for each renewal, since the cluster rotates it.
func TestWebIdentityOfTheEnvironment(t *testing.T) {
	isolate(t)
	token := filepath.Join(t.TempDir(), "token")
	sts := newDouble(t, func(r *http.Request) (int, string) {
		if r.Form.Get("Action") != "AssumeRoleWithWebIdentity" || r.Form.Get("RoleArn") != "arn:aws:iam::1:role/r" {
			return http.StatusBadRequest, ""
		}
		past := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339) // to be renewed at the next look
		return http.StatusOK, strings.Replace(fmt.Sprintf(stsAnswer, "AssumeRoleWithWebIdentity", "ID-"+r.Form.Get("WebIdentityToken")), "2100-01-01T00:00:00Z", past, 1)
	})
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
	writeText(t, token, "one")
	c, err := decode(t, "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.NewConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "two"} {
		writeText(t, token, want)
		keys, err := got.Credentials.Retrieve(t.Context())
		if err != nil || keys.AccessKeyID != "ID-"+want || keys.SessionToken != "t" {
			t.Errorf("got %s, %v, want ID-%s", keys.AccessKeyID, err, want)
		}
	}
}

// TestContainerOfTheEnvironment is a pod identity of EKS, and a task of ECS by the
// full address: the agent wants the token that lies in a file.
func TestContainerOfTheEnvironment(t *testing.T) {
	isolate(t)
	agent := newDouble(t, func(r *http.Request) (int, string) {
		if r.Header.Get("Authorization") != "bearer" {
			return http.StatusUnauthorized, ""
		}
		return http.StatusOK, keysJSON("POD", farAway)
	})
	token := filepath.Join(t.TempDir(), "token")
	writeText(t, token, "bearer")
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.URL+"/v1/credentials")
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token)
	if got, err := retrieve(t, ""); got != "POD" || err != nil {
		t.Errorf("got %s, %v\n%s", got, err, agent.log())
	}
}

// TestTask is <instance_profile_credentials> in a task of ECS: its agent is asked in
// place of the instance, whose own role may do more.
func TestTask(t *testing.T) {
	isolate(t)
	agent := newDouble(t, func(r *http.Request) (int, string) {
		if r.URL.Path != "/v2/credentials/x" {
			return http.StatusNotFound, ""
		}
		return http.StatusOK, keysJSON("TASK", farAway)
	})
	t.Setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x")
	i := instanceProfile{address: "192.0.2.1", port: 1, agent: agent.URL, openTimeout: time.Second, readTimeout: time.Second}
	keys, err := i.credentials().Retrieve(context.Background())
	if err != nil || keys.AccessKeyID != "TASK" {
		t.Errorf("got %s, %v\n%s", keys.AccessKeyID, err, agent.log())
	}
}

// instance answers as the metadata service of EC2 in its second version, which wants a
// session token, or in its first.
func instance(t *testing.T, second bool) *double {
	return newDouble(t, func(r *http.Request) (int, string) {
		switch {
		case r.URL.Path == "/latest/api/token" && !second:
			return http.StatusNotFound, ""
		case r.URL.Path == "/latest/api/token":
			return http.StatusOK, "session"
		case second && r.Header.Get("X-Aws-Ec2-Metadata-Token") != "session":
			return http.StatusUnauthorized, ""
		case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
			return http.StatusOK, "role"
		case strings.HasSuffix(r.URL.Path, "/security-credentials/role"):
			return http.StatusOK, keysJSON("INSTANCE", farAway)
		}
		return http.StatusNotFound, ""
	})
}

// TestInstance is a machine of EC2, by a section and
// by the SDK's own chain, in both versions of the service.
func TestInstance(t *testing.T) {
	for name, second := range map[string]bool{"version 2": true, "version 1": false} {
		isolate(t)
		t.Setenv("AWS_EC2_METADATA_DISABLED", "")
		metadata := instance(t, second)
		at, _ := url.Parse(metadata.URL)
		section := "<instance_profile_credentials>\nip_address " + at.Hostname() + "\nport " + at.Port() + "\n</instance_profile_credentials>"
		if got, err := retrieve(t, section); got != "INSTANCE" || err != nil {
			t.Errorf("%s, section: got %s, %v\n%s", name, got, err, metadata.log())
		}
		t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.URL)
		if got, err := retrieve(t, ""); got != "INSTANCE" || err != nil {
			t.Errorf("%s, chain: got %s, %v\n%s", name, got, err, metadata.log())
		}
	}
}

// TestChainOrder: what stands closer to the process wins.
func TestChainOrder(t *testing.T) {
	isolate(t)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "")
	metadata := instance(t, true)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.URL)
	agent := newDouble(t, func(*http.Request) (int, string) { return http.StatusOK, keysJSON("POD", farAway) })
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.URL)
	if got, err := retrieve(t, ""); got != "POD" || err != nil || metadata.log() != "" {
		t.Errorf("got %s, %v; the instance was asked %q", got, err, metadata.log())
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	if got, err := retrieve(t, ""); got != "ENVIRONMENT" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestRefusedIdentity: an identity that may not have credentials is retried, and the
// error says by whom it was refused.
func TestRefusedIdentity(t *testing.T) {
	isolate(t)
	agent := newDouble(t, func(*http.Request) (int, string) {
		return http.StatusForbidden, `{"code":"AccessDenied","message":"no"}`
	})
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.URL)
	_, err := retrieve(t, "")
	if err == nil || KindOf(err) != Retry || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("got %v", err)
	}
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
