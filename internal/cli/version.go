package cli

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// Build says what program this is.
type Build struct {
	Version  string // "1.2.3", or "dev"
	Revision string // the commit, shortened; "" when it is not known
	Modified bool   // the tree had changes that were not committed
	Go       string // "go1.26.8"
}

// ReadBuild joins what the linker was told (main's version variable; may be "" or
// "dev") with what the toolchain noted in the binary.
func ReadBuild(linked string) Build {
	b := Build{Version: strings.TrimPrefix(linked, "v"), Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value[:min(len(s.Value), 12)]
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	if b.Version == "" || b.Version == "dev" {
		b.Version = "dev"
		// Set when the program was installed as a module: go install ...@v1.2.3.
		if v := info.Main.Version; strings.HasPrefix(v, "v") && !strings.Contains(v, "+dirty") {
			b.Version = strings.TrimPrefix(v, "v")
		}
	}
	return b
}

// String is "v1.2.3 git:0123456789ab go1.26.8", as upstream's version command
// prints behind the program's name; what is not known is left out.
func (b Build) String() string {
	text := b.Version
	if text != "dev" {
		text = "v" + text
	}
	if b.Revision != "" {
		text += " git:" + b.Revision
		if b.Modified {
			text += "+changes"
		}
	}
	return text + " " + b.Go
}
