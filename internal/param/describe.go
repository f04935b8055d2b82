package param

// Doc is what a declaration says, for the reference pages, for --help and for
// the masked configuration dump.
type Doc struct {
	Arg      *ParamDoc
	Params   []ParamDoc
	Sections []SectionDoc
	Rest     string // what all other keys mean; "" when there are none
}

// ParamDoc describes one parameter.
type ParamDoc struct {
	Name, Kind, Default, Doc string
	HasDefault               bool
	Required, Secret         bool
	Aliases, Enum            []string
	Deprecated               string
}

// SectionDoc describes one section. Doc is nil for a section that holds a plugin.
type SectionDoc struct {
	ParamDoc
	Many bool
	Body *Doc
}

// Describe runs a declaration and returns what it says.
func Describe(declare func(*Set)) Doc {
	s := &Set{}
	declare(s)
	return s.doc()
}

func (s *Set) doc() Doc {
	d := Doc{Rest: s.restDoc}
	if s.arg != nil {
		arg := s.arg.doc0()
		d.Arg = &arg
	}
	for _, p := range s.params {
		d.Params = append(d.Params, p.doc0())
	}
	for _, sec := range s.sections {
		sd := SectionDoc{ParamDoc: sec.doc0(), Many: sec.many}
		if sec.describe != nil {
			body := sec.describe().doc()
			sd.Body = &body
		}
		d.Sections = append(d.Sections, sd)
	}
	return d
}

func (p *Param) doc0() ParamDoc {
	return ParamDoc{
		Name: p.name, Kind: p.kind, Default: p.def, Doc: p.doc, HasDefault: p.hasDefault,
		Required: p.required, Secret: p.secret, Aliases: p.aliases, Enum: p.enum, Deprecated: p.deprecated,
	}
}

func (s *Set) names() []string {
	var names []string
	for _, p := range s.params {
		names = append(append(names, p.name), p.aliases...)
	}
	return names
}

func (s *Set) sectionNames() []string {
	var names []string
	for _, sec := range s.sections {
		names = append(names, sec.names()...)
	}
	return names
}

// Secrets reports which parameter names of a declaration are secret, aliases
// included, sub-sections not.
func (d Doc) Secrets() map[string]bool {
	secret := map[string]bool{}
	for _, p := range d.Params {
		if p.Secret {
			secret[p.Name] = true
			for _, a := range p.Aliases {
				secret[a] = true
			}
		}
	}
	return secret
}
