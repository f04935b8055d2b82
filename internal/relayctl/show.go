package relayctl

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sluicelog/sluice/internal/param"
	"github.com/sluicelog/sluice/internal/plugin"
)

// pageOf is the page of the reference on which a kind of plugin stands, by the
// names that Fluentd gives to kinds.
var pageOf = map[string]string{
	"input": "sources.md", "filter": "filters.md", "output": "outputs.md", "buffer": "buffer.md",
	"parser": "parsers.md", "formatter": "formatters.md",
}

// ShowPlugin prints the parameters of one plugin, named as in
// --show-plugin-config input:http.
func ShowPlugin(w io.Writer, t *plugin.Table, env plugin.Env, name string) error {
	kind, typ, _ := strings.Cut(name, ":")
	page, known := pageOf[kind]
	if !known {
		return fmt.Errorf("%s is no kind of plugin: write input, filter, output, buffer, parser or formatter, a colon, and the type: input:http", kind)
	}
	text := Reference(t, env)[page]
	if kind != "buffer" {
		types := t.Names(kind)
		if !slices.Contains(types, typ) {
			hint := param.Nearest(typ, types)
			if hint == "" {
				hint = "there are: " + strings.Join(types, ", ")
			}
			return fmt.Errorf("unknown %s plugin '%s'; %s", kind, typ, hint)
		}
		_, text, _ = strings.Cut(text, "\n## "+typ+"\n")
		text, _, _ = strings.Cut(text, "\n## ")
	}
	_, err := io.WriteString(w, strings.TrimLeft(text, "\n"))
	return err
}
