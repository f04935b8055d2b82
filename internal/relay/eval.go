package relay

import (
	"errors"
	"os"
	"strings"

	"github.com/sluicelog/sluice/internal/conf"
)

type eval struct{}

func newEval() *eval { return &eval{} }

func (e *eval) value(src string, at conf.Pos) (conf.Value, error) {
	src = strings.TrimSpace(src)
	if rest, ok := strings.CutPrefix(src, "ENV['"); ok {
		return conf.Value{Text: os.Getenv(strings.TrimSuffix(rest, "']"))}, nil
	}
	return conf.Value{}, &conf.Error{Pos: at, Err: errors.New("not yet")}
}
