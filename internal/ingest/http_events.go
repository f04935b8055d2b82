package ingest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluicelog/sluice/internal/event"
	"github.com/sluicelog/sluice/internal/plugin"
)

// decoder makes events of a request's body.
type decoder struct {
	parser plugin.Parser // from <parse>; nil: by content type
	times  *byType       // which field holds the time, when it goes by content type
}

func newDecoder(in *inHTTP) decoder {
	if times, ok := in.parser.(*byType); ok {
		return decoder{times: times}
	}
	return decoder{parser: in.parser}
}

// The texts of these errors are Fluentd's.
var (
	errNoBody   = errors.New("'json', 'ndjson' or 'msgpack' parameter is required")
	errEmpty    = errors.New("the body is empty")
	errNoRecord = errors.New("a record must be a JSON object")
	errTimeText = errors.New("can't convert String into an exact number")
)

// events fills q.events from q.body. Nothing is taken when any part of the body
// can not be: the error is then a malformedError.
func (d decoder) events(r *http.Request, q *request) error {
	var err error
	if d.parser != nil {
		err = d.parse(q)
	} else {
		err = d.byContentType(r, q)
	}
	switch {
	case isMemory(err):
		return err
	case err != nil:
		return &malformedError{err}
	case len(q.events) == 0 && q.lost == 0 && d.parser != nil && !isEmptyArray(q.body):
		return &malformedError{errEmpty}
	}
	return d.overrideTime(r, q)
}

// parse lets the configured parser read the body whatever its content type.
func (d decoder) parse(q *request) error {
	if err := q.needs(canonicalCost(q.body) + generalCost(q.body)); err != nil {
		return err
	}
	return d.parser.Parse(q.body, func(e event.Event) error {
		if e.Time.IsNone() { // estimate_current_event is off
			e.Time = event.TimeOf(q.now)
		}
		q.events = append(q.events, e)
		return nil
	})
}

// byContentType follows in_http without <parse>: exact, case-sensitive prefixes.
func (d decoder) byContentType(r *http.Request, q *request) error {
	q.times = d.times
	switch typ := r.Header.Get("Content-Type"); {
	case strings.HasPrefix(typ, "application/json"):
		return q.json(q.body)
	case strings.HasPrefix(typ, "application/msgpack"):
		return q.msgpack(q.body)
	case strings.HasPrefix(typ, "application/x-ndjson"):
		return q.ndjson(q.body)
	case strings.HasPrefix(typ, "application/x-www-form-urlencoded"):
		if err := q.needs(formCost(q.body)); err != nil {
			return err
		}
		return d.form(r, q, parseForm(string(q.body)))
	case strings.HasPrefix(typ, "multipart/form-data"):
		if err := q.needs(2 * int64(len(q.body))); err != nil {
			return err
		}
		fields, err := parseMultipart(typ, q.body)
		if err != nil {
			return errNoBody
		}
		return d.form(r, q, fields)
	default:
		return d.form(r, q, nil)
	}
}

// form takes the field that holds events, from the form or else from the query.
func (d decoder) form(r *http.Request, q *request, fields url.Values) error {
	for _, values := range []url.Values{fields, queryOf(r)} {
		if text := values.Get("time"); text != "" && q.formTime == "" {
			q.formTime = text
		}
		switch {
		case values.Has("json"):
			return q.json([]byte(values.Get("json")))
		case values.Has("ndjson"):
			return q.ndjson([]byte(values.Get("ndjson")))
		case values.Has("msgpack"):
			return q.msgpack([]byte(values.Get("msgpack")))
		}
	}
	return errNoBody
}

// json takes one object or an array of objects. The records may point into body.
func (q *request) json(body []byte) error {
	if err := q.needs(canonicalCost(body)); err != nil {
		return err
	}
	if record, ok := event.CanonicalRecord(body, q.times.timeKey); ok {
		return q.add(record)
	}
	if records, ok := event.CanonicalArray(body, q.times.timeKey); ok {
		return q.addAll(records)
	}
	if err := q.needs(generalCost(body)); err != nil {
		return err
	}
	v, err := event.ParseJSON(body)
	if err != nil {
		return err
	}
	return q.addValue(v)
}

func (q *request) addAll(records []event.Record) error {
	for i := range records {
		if err := q.add(&records[i]); err != nil {
			return err
		}
	}
	return nil
}

func (q *request) addValue(v any) error {
	switch v := v.(type) {
	case *event.Record:
		return q.add(v)
	case []any:
		for _, item := range v {
			record, ok := item.(*event.Record)
			if !ok && q.lenient {
				q.lost++
				continue
			}
			if !ok {
				return errNoRecord
			}
			if err := q.add(record); err != nil {
				return err
			}
		}
		return nil
	default:
		return errNoRecord
	}
}

func (q *request) ndjson(body []byte) error {
	for line := range bytes.Lines(body) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		err := q.json(line)
		if err != nil && q.lenient && !isMemory(err) && !errors.Is(err, errTimeText) {
			q.lost++
			continue
		}
		if err != nil {
			return err
		}
	}
	if len(q.events) == 0 && q.lost == 0 {
		return errEmpty
	}
	return nil
}

// msgpack takes maps or arrays of maps, one after the other.
func (q *request) msgpack(body []byte) error {
	if len(body) == 0 {
		return errEmpty
	}
	values, maps := event.CountMsgpack(body)
	if err := q.needs(int64(len(body)) + valueCost*int64(values) + objectCost*int64(maps)); err != nil {
		return err
	}
	for len(body) > 0 {
		v, rest, err := event.ReadMsgpack(body)
		if err != nil {
			return err
		}
		if err := q.addValue(v); err != nil {
			return err
		}
		body = rest
	}
	return nil
}

// add appends a record, with the time that it carries: unless <parse> says more, a
// number in "time" is the event's time and leaves the record, null is no time,
// text is an error.
func (q *request) add(record *event.Record) error {
	t := event.NoTime()
	if !q.keepsTime {
		var err error
		if t, err = q.times.timeOf(record); err != nil {
			return err
		}
	}
	if t.IsNone() {
		t = event.TimeOf(q.now)
	}
	q.events = append(q.events, event.Event{Time: t, Record: record})
	return nil
}

// overrideTime applies ?time=, which wins over any time in a record.
func (d decoder) overrideTime(r *http.Request, q *request) error {
	if q.formTime == "" && r.URL.RawQuery != "" {
		q.formTime = queryOf(r).Get("time")
	}
	if q.formTime == "" {
		return nil
	}
	t := timeOfQuery(q.formTime, q.now)
	for i := range q.events {
		q.events[i].Time = t
	}
	return nil
}

// begin resets what one request decides for all its events.
func (q *request) begin(r *http.Request, now time.Time) {
	q.now, q.formTime, q.need, q.lost = now, "", 0, 0
	q.keepsTime = r.URL.RawQuery != "" && queryOf(r).Get("time") != ""
}

// needs adds to what the request's memory must hold.
func (q *request) needs(n int64) error {
	q.need += n
	return q.loan.grow(int64(len(q.body)) + int64(len(q.spare)) + q.need)
}

// parseForm reads a form as Ruby's URI.decode_www_form does, leniently: what can
// not be decoded is left out.
func parseForm(text string) url.Values {
	values, _ := url.ParseQuery(text)
	return values
}

func queryOf(r *http.Request) url.Values {
	if r.URL.RawQuery == "" {
		return nil
	}
	return parseForm(r.URL.RawQuery)
}

func parseMultipart(contentType string, body []byte) (url.Values, error) {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, err
	}
	if params["boundary"] == "" {
		return nil, errors.New("boundary is missing")
	}
	fields := url.Values{}
	for mr := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		part, err := mr.NextPart()
		if errors.Is(err, io.EOF) {
			return fields, nil
		}
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return nil, err
		}
		fields.Set(part.FormName(), string(text))
	}
}

// isEmptyArray reports a body that says that there are no events.
func isEmptyArray(body []byte) bool {
	body = bytes.TrimSpace(body)
	if n := len(body); n >= 2 && body[0] == '[' && body[n-1] == ']' {
		return len(bytes.TrimSpace(body[1:n-1])) == 0
	}
	return len(body) == 1 && body[0] == 0x90 // msgpack
}
