package teleport

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"google.golang.org/grpc/grpclog"
)

// UseDefaultLog makes gRPC, which writes to standard error in a shape of its own,
// write its errors to slog's default logger, as Teleport's module does with all that
// it has to say. It is for main, once, before anything is dialled.
func UseDefaultLog() {
	grpclog.SetLoggerV2(grpcLog{grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard), slog.Default})
}

// grpcLog passes on errors. gRPC says of the least of its troubles that it is an
// error, and each that matters also fails a call, so they become warnings.
type grpcLog struct {
	grpclog.LoggerV2 // what is no error, and what ends the process
	log              func() *slog.Logger
}

func (g grpcLog) Error(args ...any)                 { g.warn(fmt.Sprint(args...)) }
func (g grpcLog) Errorln(args ...any)               { g.warn(fmt.Sprintln(args...)) }
func (g grpcLog) Errorf(format string, args ...any) { g.warn(fmt.Sprintf(format, args...)) }

func (g grpcLog) warn(text string) {
	if strings.Contains(text, tooManyPings) {
		g.log().Warn("Teleport ended the connection, on which it saw too many pings; the next one pings half as often")
		return
	}
	g.log().Warn("gRPC has trouble with the connection to Teleport", "error", strings.TrimSpace(text))
}

// tooManyPings is how a gRPC server says why it ends a connection.
const tooManyPings = "too_many_pings"
