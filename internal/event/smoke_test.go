package event
import "testing"
func TestSmoke(t *testing.T) {
 r, err := ParseRecord([]byte(`{"a":1,"b":[1,{"c":2.50}],"a":-0.0,"x":1e17,"y":1e21,"z":1.5e-7,"q":"\u001f\/<"}`))
 if err!=nil {t.Fatal(err)}
 t.Logf("%s %s", r.AppendJSON(nil), Text(r))
 r2 := RawRecord(r.AppendJSON(nil)); r2.Delete("a"); v,_ := r2.Get("b"); v.([]any)[1].(*Record).Set("d", "é")
 t.Logf("%s %s", r2.AppendJSON(nil), Text(r2))
 v, rest, err := ReadMsgpack(AppendMsgpack(nil, r2))
 t.Logf("%s %d %v", AppendJSON(nil, v), len(rest), err)
 rest, err = SkipMsgpack(AppendMsgpack(nil, r2)); t.Log(len(rest), err)
}
