package teleport

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	auditlogpb "github.com/gravitational/teleport/api/gen/proto/go/teleport/auditlog/v1"
	"google.golang.org/protobuf/types/known/structpb"
)

// Event is one audit event as the cluster hands it out.
type Event struct {
	Type   string           // "user.login"
	ID     string           // the uid, or a hash of the body when it has none
	Time   time.Time        // UTC; zero when the cluster gave none
	Index  int64            // place in its session's recording
	Struct *structpb.Struct // the body; see AppendJSON
}

func eventOf(p *auditlogpb.EventUnstructured) Event {
	e := Event{Type: p.GetType(), ID: p.GetId(), Index: p.GetIndex(), Struct: p.GetUnstructured()}
	if t := p.GetTime(); t.IsValid() {
		e.Time = t.AsTime()
	}
	if e.ID == "" {
		sum := sha256.Sum256(e.AppendJSON(nil))
		e.ID = hex.EncodeToString(sum[:])
	}
	return e
}

// AppendJSON appends the body as one JSON object, see the function of the same
// name.
func (e Event) AppendJSON(dst []byte) []byte { return AppendJSON(dst, e.Struct) }

// Text is a field of the body that is a string, or "".
func (e Event) Text(key string) string { return e.Struct.GetFields()[key].GetStringValue() }

// Bool is a field of the body that is a boolean; given is false when there is no
// such field.
func (e Event) Bool(key string) (value, given bool) {
	b, given := e.Struct.GetFields()[key].GetKind().(*structpb.Value_BoolValue)
	return given && b.BoolValue, given
}
