package handler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/pki"
)

// plan is what will be written. It is complete before anything is made.
type plan struct {
	ca       *pki.CA // the authority that stays; nil: a new one is made
	writes   map[string]bool
	declined bool // some file that is there was kept
	notes    []string
}

// plan asks all questions. The certificates are asked about first: the answer
// decides which passphrase fluent.conf must hold.
func (s *setup) plan(ctx context.Context) (*plan, error) {
	p := &plan{writes: map[string]bool{}}
	if err := s.planCertificates(ctx, p); err != nil {
		return nil, err
	}
	if err := s.planFluentConf(ctx, p); err != nil {
		return nil, err
	}
	for _, f := range s.texts(nil) {
		if f.name == fluentFile {
			continue
		}
		yes, err := s.mayWrite(ctx, p, f.name, f.text)
		if err != nil {
			return nil, err
		}
		p.writes[f.name] = yes
	}
	return p, nil
}

// mayWrite reports whether a text may stand where another may stand already. The
// same text needs no question.
func (s *setup) mayWrite(ctx context.Context, p *plan, name string, text []byte) (bool, error) {
	old, err := os.ReadFile(s.path(name))
	if errors.Is(err, os.ErrNotExist) || err == nil && text != nil && bytes.Equal(old, text) {
		return true, nil
	}
	return s.confirm(ctx, p, fmt.Sprintf("Overwrite %s?", s.shown(name)))
}

func (s *setup) confirm(ctx context.Context, p *plan, question string) (bool, error) {
	yes, err := s.ask.overwrite(ctx, question)
	if !yes {
		p.declined = true
	}
	return yes, err
}

// present lists the files of a pair that are there.
func (s *setup) present(stem string) (files []string) {
	for _, name := range pairFiles(stem) {
		if s.there(name) {
			files = append(files, name)
		}
	}
	return files
}

func (s *setup) there(name string) bool {
	_, err := os.Lstat(s.path(name))
	return err == nil
}

// planCertificates decides which pairs are made. A new authority means new pairs
// below it, all three or none: a leaf signed by an authority that nobody has is
// worth nothing.
func (s *setup) planCertificates(ctx context.Context, p *plan) error {
	kept, whyNot := s.openAuthority()
	all, err := s.confirmAuthority(ctx, p, whyNot)
	if err != nil {
		return err
	}
	if all {
		for _, stem := range []string{s.cmd.CA, s.cmd.Server, s.cmd.Client} {
			p.write(stem)
		}
		return nil
	}
	p.ca = kept
	for _, stem := range []string{s.cmd.Server, s.cmd.Client} {
		if err := s.planLeaf(ctx, p, stem, whyNot); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) write(stem string) {
	for _, name := range pairFiles(stem) {
		p.writes[name] = true
	}
}

// confirmAuthority reports whether a new authority is made.
func (s *setup) confirmAuthority(ctx context.Context, p *plan, whyNot error) (bool, error) {
	var there []string
	for _, stem := range []string{s.cmd.CA, s.cmd.Server, s.cmd.Client} {
		there = append(there, s.present(stem)...)
	}
	switch {
	case len(there) == 0:
		return true, nil
	case whyNot == nil:
		return s.confirm(ctx, p, fmt.Sprintf("Make a new authority, with new certificates, and overwrite %s?", s.shownAll(there)))
	}
	return s.confirm(ctx, p, fmt.Sprintf("The authority can not sign: %v. Make a new one, with new certificates, and overwrite %s?", whyNot, s.shownAll(there)))
}

// openAuthority is the authority on disk, or why it can not sign.
func (s *setup) openAuthority() (*pki.CA, error) {
	names := pairFiles(s.cmd.CA)
	var texts [2][]byte
	for i, name := range names {
		text, err := os.ReadFile(s.path(name))
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s is not there", s.shown(name))
		}
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	ca, err := pki.OpenCA(texts[0], texts[1], "")
	if err == nil && s.now.After(ca.Cert.NotAfter) {
		err = fmt.Errorf("%s ended on %s", s.shown(names[0]), ca.Cert.NotAfter.Format(time.DateOnly))
	}
	return ca, err
}

// planLeaf decides about a pair below an authority that stays.
func (s *setup) planLeaf(ctx context.Context, p *plan, stem string, whyNot error) error {
	there := s.present(stem)
	if whyNot != nil {
		if len(there) < 2 {
			return fmt.Errorf("%s is not complete, and the authority can not sign a new one: %w; --yes makes a new authority, with new certificates",
				strings.Join(pairFiles(stem), ", "), whyNot)
		}
		return nil
	}
	if len(there) > 0 {
		problem := s.misfit(p.ca, stem)
		question := fmt.Sprintf("Overwrite %s?", s.shownAll(there))
		if problem != "" {
			question = fmt.Sprintf("%s. %s", problem, question)
		}
		yes, err := s.confirm(ctx, p, question)
		if err != nil {
			return err
		}
		if !yes {
			if problem != "" {
				p.notes = append(p.notes, problem+"; --yes makes all certificates anew")
			}
			return nil
		}
	}
	p.write(stem)
	return nil
}

// misfit says what is wrong with a pair on disk, or "".
func (s *setup) misfit(ca *pki.CA, stem string) string {
	names := pairFiles(stem)
	if len(s.present(stem)) < 2 {
		return fmt.Sprintf("Of %s only one is there", s.shownAll(names))
	}
	text, err := os.ReadFile(s.path(names[0]))
	if err != nil {
		return err.Error()
	}
	certs, err := pki.ParseCertificates(text)
	switch {
	case err != nil:
		return fmt.Sprintf("%s: %v", s.shown(names[0]), err)
	case !ca.Signed(certs[0]):
		return fmt.Sprintf("%s was signed by another authority than %s", s.shown(names[0]), s.shown(s.cmd.CA+".crt"))
	case s.now.After(certs[0].NotAfter):
		return fmt.Sprintf("%s ended on %s", s.shown(names[0]), certs[0].NotAfter.Format(time.DateOnly))
	}
	return ""
}

// planFluentConf decides about fluent.conf and the passphrase of the server's key,
// which must be the same.
func (s *setup) planFluentConf(ctx context.Context, p *plan) error {
	old, err := os.ReadFile(s.path(fluentFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	there, newKey := err == nil, p.writes[s.cmd.Server+".key"]
	inOld, found := passphraseIn(old)
	known := true
	if !newKey {
		known = s.keptPassphrase(inOld, found)
	}
	var text []byte
	if !newKey && known {
		text = s.fluentConf()
	}
	if p.writes[fluentFile], err = s.mayWrite(ctx, p, fluentFile, text); err != nil {
		return err
	}
	key := s.shown(s.cmd.Server + ".key")
	switch {
	case p.writes[fluentFile] && !known:
		return fmt.Errorf("%s is kept, and none of the passphrases that are known opens it: pipe it in, as in printf %%s PASSPHRASE | handler configure ...", key)
	case p.writes[fluentFile] || !newKey || !there:
		return nil
	case !found:
		return fmt.Errorf("%s is kept, and holds no private_key_passphrase for the new %s; --yes overwrites it", s.shown(fluentFile), key)
	case s.given && inOld != s.passphrase:
		return fmt.Errorf("%s is kept, and holds another passphrase than the one for the new %s; --yes overwrites it", s.shown(fluentFile), key)
	}
	s.passphrase = inOld
	return nil
}

// keptPassphrase finds the passphrase of the server's key that stays: the one
// given, the one in fluent.conf, or none.
func (s *setup) keptPassphrase(inOld string, found bool) bool {
	text, err := os.ReadFile(s.path(s.cmd.Server + ".key"))
	if err != nil {
		return false
	}
	candidates := []string{""}
	if found {
		candidates = append([]string{inOld}, candidates...)
	}
	if s.given {
		candidates = append([]string{s.passphrase}, candidates...)
	}
	for _, c := range candidates {
		if _, err := pki.ParseKey(text, c); err == nil {
			s.passphrase = c
			return true
		}
	}
	return false
}

// passphraseIn finds what a fluent.conf of ours or of upstream says. An absent line
// in a file with a key is a key without passphrase.
func passphraseIn(conf []byte) (passphrase string, found bool) {
	for line := range strings.Lines(string(conf)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "private_key_passphrase":
			return fluentUnquote(strings.TrimSpace(value)), true
		case "private_key_path":
			found = true
		}
	}
	return "", found
}
