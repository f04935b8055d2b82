package main

import (
	"strconv"
)

// templates are the shapes of the load: audit events as Teleport prints them,
// with %[1]s for the uid and %[2]d for a number.
var templates = []string{
	`{"addr.remote":"198.51.100.%[2]d:50124","cluster_name":"teleport.example.com","code":"T1000I","ei":0,"event":"user.login","method":"local","mfa_device":{"mfa_device_name":"security key","mfa_device_type":"WebAuthn","mfa_device_uuid":"7e2c6b1e-1f5e-4a39-9f0c-2d7f1a8b6c55"},"required_private_key_policy":"none","success":true,"time":"2026-01-15T09:30:00.123Z","uid":"%[1]s","user":"alice@example.com","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"}`,
	`{"addr.local":"10.0.12.7:3022","addr.remote":"198.51.100.%[2]d:41002","cluster_name":"teleport.example.com","code":"T2000I","ei":0,"event":"session.start","initial_command":["bash","-l"],"login":"root","namespace":"default","proto":"ssh","server_hostname":"web-3.example.com","server_id":"6f0a2b6c-52f3-4d0e-9a49-0c8c3ce8a5d1","server_labels":{"env":"prod","region":"eu-west-1","team":"platform"},"session_recording":"node","sid":"0c5a6e2b-8a1c-4a13-8a6d-4c9a1b2c3d4e","size":"120:32","time":"2026-01-15T09:30:01.456Z","uid":"%[1]s","user":"bob@example.com"}`,
	`{"argv":["-la","/srv/app/releases/2026-01-15"],"cgroup_id":4294968041,"cluster_name":"teleport.example.com","code":"T4000I","ei":12,"event":"session.command","login":"deploy","namespace":"default","path":"/usr/bin/ls","pid":%[2]d,"ppid":4211,"program":"ls","return_code":0,"server_hostname":"web-3.example.com","server_id":"6f0a2b6c-52f3-4d0e-9a49-0c8c3ce8a5d1","server_labels":{"env":"prod","region":"eu-west-1","team":"platform"},"sid":"0c5a6e2b-8a1c-4a13-8a6d-4c9a1b2c3d4e","time":"2026-01-15T09:30:02.789012345Z","uid":"%[1]s","user":"bob@example.com"}`,
	`{"cert_type":"user","cluster_name":"teleport.example.com","code":"TC000I","ei":0,"event":"cert.create","identity":{"client_ip":"198.51.100.%[2]d","expires":"2026-01-15T21:30:00.5Z","logins":["root","ubuntu","-teleport-internal-join"],"prev_identity_expires":"0001-01-01T00:00:00Z","private_key_policy":"none","roles":["access","auditor","editor"],"route_to_cluster":"teleport.example.com","teleport_cluster":"teleport.example.com","traits":{"aws_role_arns":null,"kubernetes_groups":["system:masters"],"logins":["root","ubuntu"]},"user":"carol@example.com"},"time":"2026-01-15T09:30:03Z","uid":"%[1]s","user":"carol@example.com"}`,
	`{"cluster_name":"teleport.example.com","code":"T3009I","ei":0,"event":"kube.request","kubernetes_cluster":"prod-eu","kubernetes_groups":["system:masters"],"kubernetes_users":["dave@example.com"],"namespace":"default","proto":"kube","request_path":"/api/v1/namespaces/payments/pods/api-%[2]d/log","resource_api_group":"core/v1","resource_kind":"pods","resource_name":"api-%[2]d","resource_namespace":"payments","response_code":200,"server_id":"9a3b","time":"2026-01-15T09:30:04.001Z","uid":"%[1]s","user":"dave@example.com","verb":"GET","user_roles":["access","kube-admin"],"user_kind":1,"private_key_policy":"none"}`,
	`{"cluster_name":"teleport.example.com","code":"TDB02I","db_aws_region":"eu-west-1","db_labels":{"env":"prod","engine":"postgres"},"db_name":"payments","db_protocol":"postgres","db_query":"SELECT id, amount, currency, created_at FROM invoices WHERE customer_id = $1 AND state = 'open' ORDER BY created_at DESC LIMIT %[2]d","db_query_parameters":["4711"],"db_service":"payments-replica","db_type":"rds","db_uri":"payments.abc123.eu-west-1.rds.amazonaws.com:5432","db_user":"readonly","ei":3,"event":"db.session.query","sid":"5f0c7a55-6f0e-4c3c-9f5e-0b7e1c2d3e4f","success":true,"time":"2026-01-15T09:30:05.25Z","uid":"%[1]s","user":"erin@example.com"}`,
}

// events makes bodies; each event has a uid of its own.
type events struct {
	seed, n int
}

func newEvents(seed int) *events { return &events{seed: seed} }

func (g *events) body(dst []byte, batch int) []byte {
	if batch == 1 {
		return g.event(dst)
	}
	dst = append(dst, '[')
	for i := range batch {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = g.event(dst)
	}
	return append(dst, ']')
}

// event fills a template by hand: Sprintf would cost more than the receiver.
func (g *events) event(dst []byte) []byte {
	g.n++
	t := templates[g.n%len(templates)]
	for i := 0; i < len(t); i++ {
		if t[i] != '%' {
			dst = append(dst, t[i])
			continue
		}
		if t[i+2] == '1' {
			dst = append(dst, "00000000-0000-4000-8000-"...)
			dst = fixed(dst, g.seed, 4)
			dst = fixed(dst, g.n, 8)
		} else {
			dst = strconv.AppendInt(dst, int64(g.n%250), 10)
		}
		i += 4
	}
	return dst
}

func fixed(dst []byte, n, width int) []byte {
	s := strconv.Itoa(n)
	for range width - len(s) {
		dst = append(dst, '0')
	}
	return append(dst, s...)
}

func meanEventSize() int {
	g := newEvents(0)
	n := 0
	for range templates {
		n += len(g.event(nil))
	}
	return n / len(templates)
}
