package relayctl

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluicelog/sluice/internal/output"
	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// Reference makes the pages of docs/reference out of the declarations, one page
// a kind, by file name.
func Reference(t *plugin.Table, env plugin.Env) map[string]string {
	pages := map[string]*strings.Builder{}
	page := func(kind, title string) *strings.Builder {
		b := &strings.Builder{}
		fmt.Fprintf(b, "# %s\n\nMade by `make docs` from the declarations; do not edit.\n", title)
		pages[kind] = b
		return b
	}
	inputs := page("sources.md", "Sources")
	eachSorted(t.Inputs, func(name string, make func(plugin.Env) plugin.Input) {
		writePlugin(inputs, "source", name, param.Describe(make(env).Params))
	})
	filters := page("filters.md", "Filters")
	eachSorted(t.Filters, func(name string, make func(plugin.Env) plugin.Filter) {
		writePlugin(filters, "filter", name, param.Describe(make(env).Params))
	})
	outputs := page("outputs.md", "Outputs")
	eachSorted(t.Outputs, func(name string, make func(plugin.Env) plugin.Output) {
		writePlugin(outputs, "match", name, param.Describe(make(env).Params))
	})
	eachSorted(t.Directs, func(name string, make func(plugin.Env) plugin.Direct) {
		writePlugin(outputs, "match", name, param.Describe(make(env).Params))
	})
	eachSorted(t.Passers, func(name string, make func(plugin.Env) plugin.Passer) {
		writePlugin(outputs, "match", name, param.Describe(make(env).Params))
	})
	buffers := page("buffer.md", "Buffer and flush")
	writeBody(buffers, bufferDoc(env), "###")
	parsers := page("parsers.md", "Parsers")
	eachSorted(t.Parsers, func(name string, make func(plugin.Env) plugin.Parser) {
		writePlugin(parsers, "parse", name, param.Describe(make(env).Params))
	})
	formatters := page("formatters.md", "Formatters")
	eachSorted(t.Formatters, func(name string, make func(plugin.Env) plugin.Formatter) {
		writePlugin(formatters, "format", name, param.Describe(make(env).Params))
	})
	texts := map[string]string{}
	for name, b := range pages {
		texts[name] = b.String()
	}
	return texts
}

// bufferDoc is what every buffered output has beside its own parameters.
func bufferDoc(env plugin.Env) param.Doc {
	return param.Describe(output.NewBuffered(env, bare{}, nil).Params)
}

func eachSorted[F any](m map[string]F, visit func(string, F)) {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		visit(name, m[name])
	}
}

func writePlugin(b *strings.Builder, section, name string, d param.Doc) {
	fmt.Fprintf(b, "\n## %s\n\n    <%s ...>\n      @type %s\n", name, section, name)
	writeBody(b, d, "###")
}

func writeBody(b *strings.Builder, d param.Doc, level string) {
	if d.Arg != nil {
		fmt.Fprintf(b, "\nArgument: %s%s\n", d.Arg.Doc, defaultText(*d.Arg))
	}
	if len(d.Params) > 0 {
		b.WriteString("\n| parameter | type | default | meaning |\n| --- | --- | --- | --- |\n")
		for _, p := range d.Params {
			fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", p.Name, kindText(p), cell(defaultCell(p)), cell(meaning(p)))
		}
	}
	if d.Rest != "" {
		fmt.Fprintf(b, "\nAll other keys: %s\n", d.Rest)
	}
	for _, s := range d.Sections {
		fmt.Fprintf(b, "\n%s `<%s>`\n\n%s\n", level, s.Name, sectionText(s))
		if s.Body != nil {
			writeBody(b, *s.Body, level+"#")
		}
	}
}

func sectionText(s param.SectionDoc) string {
	text := s.Doc
	if s.Many {
		text += " Any number of them."
	}
	if s.Default != "" {
		text += " Without `@type` it is `" + s.Default + "`."
	}
	return text
}

func kindText(p param.ParamDoc) string {
	if len(p.Enum) > 0 {
		return "`" + strings.Join(p.Enum, "` `") + "`"
	}
	return p.Kind
}

func defaultCell(p param.ParamDoc) string {
	switch {
	case p.Required:
		return "**required**"
	case p.HasDefault && p.Default != "":
		return "`" + p.Default + "`"
	}
	return ""
}

func defaultText(p param.ParamDoc) string {
	if p.Default == "" {
		return ""
	}
	return " Default `" + p.Default + "`."
}

func meaning(p param.ParamDoc) string {
	text := p.Doc
	if len(p.Aliases) > 0 {
		text += " Also `" + strings.Join(p.Aliases, "`, `") + "`."
	}
	if p.Deprecated != "" {
		text += " Deprecated: " + p.Deprecated + "."
	}
	if p.Secret {
		text += " Secret: never shown."
	}
	return text
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// WriteReference writes the pages into a folder.
func WriteReference(dir string, pages map[string]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // documentation
		return err
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // documentation
			return err
		}
	}
	return nil
}
