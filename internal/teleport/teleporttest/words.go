package teleporttest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// draw is the making of one event: which one, and its random numbers.
type draw struct {
	g   *Generator
	i   int
	at  time.Time
	rng uint64
}

func (d *draw) next() uint64 {
	d.rng += 0x9e3779b97f4a7c15
	return mix(d.rng)
}

func (d *draw) below(n int) int { return int(d.next() % uint64(n)) }

// session is the number of the event's block, by which its user and node are
// chosen too.
func (d *draw) session() uint64 { return mix(d.g.o.Seed ^ uint64(d.i/d.g.block())) }

// A word's constructor gets what stands behind the word.
type word func(args string) (func(*draw) any, error)

// words are what a template may write in ${...}.
var words = map[string]word{
	"user":     plain(func(d *draw) any { return userAt(d.session()) }),  // the session's user
	"other":    plain(func(d *draw) any { return userAt(d.next()) }),     // any user
	"login":    plain(func(d *draw) any { return at(logins, d.next()) }), // operating system login
	"role":     plain(func(d *draw) any { return at(roles, d.next()) }),  // Teleport role
	"sid":      plain(func(d *draw) any { return d.g.SessionID(d.i) }),   // the block's session
	"uuid":     plain(func(d *draw) any { return uuidOf(d.next(), d.rng) }),
	"node":     plain(func(d *draw) any { return nodeAt(d.session()) }),                     // host name of the session's server
	"serverid": plain(func(d *draw) any { return uuidOf(0x5e4e4, d.session()%nodeCount) }),  // its id
	"env":      plain(func(d *draw) any { return at(environments, d.session()%nodeCount) }), // its label
	"ip":       plain(func(d *draw) any { return ipAt(d.next()) }),                          // an address of TEST-NET
	"remote":   plain(func(d *draw) any { return fmt.Sprint(ipAt(d.session()), ":", 1024+d.below(60000)) }),
	"local":    plain(func(d *draw) any { return fmt.Sprint("10.0.", d.session()%nodeCount, ".5:3022") }),
	"agent":    plain(func(d *draw) any { return at(agents, d.next()) }),   // HTTP user agent
	"command":  plain(func(d *draw) any { return at(commands, d.next()) }), // a shell command
	"program":  plain(func(d *draw) any { return at(programs, d.next()) }),
	"path":     plain(func(d *draw) any { return at(files, d.next()) }),
	"sql":      plain(func(d *draw) any { return at(queries, d.next()) }),
	"database": plain(func(d *draw) any { return at(databases, d.next()) }),
	"app":      plain(func(d *draw) any { return at(apps, d.next()) }),
	"pod": plain(func(d *draw) any {
		return fmt.Sprint(at(apps, d.next()), "-", hexOf(d.next(), 10), "-", hexOf(d.next(), 5))
	}),
	"kube":   plain(func(d *draw) any { return at(clusters, d.next()) }),
	"bool":   plain(func(d *draw) any { return d.next()&1 == 0 }),
	"now":    plain(func(d *draw) any { return d.at.Format(time.RFC3339Nano) }),
	"hex":    counted(func(d *draw, n int) any { return hexOf(d.next(), n) }), // n hex digits, at most 16
	"text":   counted(func(d *draw, n int) any { return prose(d, n) }),        // about n bytes of words
	"pick":   pick,                                                            // ${pick a|b|c}
	"int":    between,                                                         // ${int 1 9}: a number
	"after":  shift(1),                                                        // ${after 8h}: a later time
	"before": shift(-1),
}

func plain(f func(*draw) any) word {
	return func(args string) (func(*draw) any, error) {
		if args != "" {
			return nil, fmt.Errorf("takes nothing, got %q", args)
		}
		return f, nil
	}
}

func counted(f func(*draw, int) any) word {
	return func(args string) (func(*draw) any, error) {
		n, err := strconv.Atoi(args)
		return func(d *draw) any { return f(d, n) }, err
	}
}

func pick(args string) (func(*draw) any, error) {
	choices := strings.Split(args, "|")
	return func(d *draw) any { return at(choices, d.next()) }, nil
}

func between(args string) (func(*draw) any, error) {
	var lo, hi int
	if n, err := fmt.Sscan(args, &lo, &hi); n != 2 || hi < lo {
		return nil, fmt.Errorf("needs two ascending numbers: %w", err)
	}
	return func(d *draw) any { return float64(lo + d.below(hi-lo+1)) }, nil
}

func shift(sign time.Duration) word {
	return func(args string) (func(*draw) any, error) {
		by, err := time.ParseDuration(args)
		return func(d *draw) any {
			t := d.at.Add(sign * by)
			if d.next()&1 == 0 {
				t = t.Truncate(time.Second) // some backends cut the fraction
			}
			return t.Format(time.RFC3339Nano)
		}, err
	}
}

func at(list []string, r uint64) string { return list[r%uint64(len(list))] }

func hexOf(r uint64, n int) string { return fmt.Sprintf("%016x", r)[:n] }

func prose(d *draw, n int) string {
	b := make([]byte, 0, n+16)
	for len(b) < n {
		b = append(append(b, at(nouns, d.next())...), ' ')
	}
	return string(b[:len(b)-1])
}

func userAt(r uint64) string { return at(people, r) + "@example.com" }

const nodeCount = 24

func nodeAt(r uint64) string { return fmt.Sprintf("node-%02d.example.com", r%nodeCount) }

func ipAt(r uint64) string { return fmt.Sprint("203.0.113.", 1+r%254) }

var (
	people = []string{
		"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory",
		"niaj", "olivia", "peggy", "rupert", "sybil", "trent", "victor", "walter", "zürí", "müller", "søren",
	}
	logins       = []string{"root", "ubuntu", "ec2-user", "admin", "deploy", "postgres"}
	roles        = []string{"access", "editor", "auditor", "dev", "dba", "sre", "contractor"}
	environments = []string{"prod", "staging", "dev", "test"}
	agents       = []string{
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"tsh/17.2.1 grpc-go/1.69.2",
	}
	commands = []string{
		"ls -la /var/log", "cat /etc/os-release", "systemctl status nginx", "tail -n 100 /var/log/syslog",
		"grep -r \"timeout\" /etc/nginx", "df -h && free -m", "curl -s http://localhost:8080/health | jq .",
		"sudo journalctl -u app --since '1 hour ago'", "git pull --ff-only", "echo 'naïve <test> & done'",
		"awk -F'\\t' '{print $3}' data.tsv | sort | uniq -c",
	}
	programs = []string{"ls", "cat", "bash", "nmap", "nc", "crontab", "useradd", "curl", "vim", "python3", "psql"}
	files    = []string{"/etc/hosts", "/home/ubuntu/notes.txt", "/var/log/app/current.log", "/tmp/über-report.csv", "/etc/ssh/sshd_config", "/usr/bin/env"}
	queries  = []string{
		"SELECT id, email FROM users WHERE created_at > now() - interval '1 day' LIMIT 100",
		"UPDATE orders SET state = 'shipped' WHERE id = 48151623",
		"SELECT count(*)\nFROM events\nWHERE kind = \"login\";",
		"INSERT INTO audit_notes (author, body) VALUES ('bob', 'it''s done')",
		"DELETE FROM sessions WHERE expires < 1700000000",
	}
	databases = []string{"orders-postgres", "billing-mysql", "catalog-mongo", "metrics-clickhouse"}
	apps      = []string{"grafana", "jenkins", "wiki", "argo-cd", "admin-panel"}
	clusters  = []string{"eks-prod-eu", "eks-staging", "gke-data"}
	nouns     = []string{"deploy", "rollback", "incident", "ticket", "review", "backup", "migration", "release", "tést", "\"quoted\"", "50%", "a<b"}
)
