package match

import (
	"slices"
	"strings"
)

// Suggest gives, for a tag that the patterns do not match, patterns that do and
// differ as little as possible: session.* becomes session.** for session.x.log. false
// when the tag is matched, or nothing near matches it.
func (p *Pattern) Suggest(tag string) (patterns string, ok bool) {
	if p.Match(tag) {
		return "", false
	}
	best := candidate{cost: maxCost}
	for i := range p.parts {
		for _, c := range candidates(p.parts[i].text, tag) {
			if c.cost < best.cost && matches(c.text, tag) {
				best = candidate{p.replace(i, c.text), c.cost}
			}
		}
	}
	if c := closeBlanks(p.text); costOfBlanks < best.cost && c != p.text && matches(c, tag) {
		best = candidate{c, costOfBlanks}
	}
	return best.text, best.cost < maxCost
}

// candidate is a changed pattern; the higher the cost, the further it is from what
// was written.
type candidate struct {
	text string
	cost int
}

const (
	costOfBlanks = 2
	maxCost      = 100
)

// candidates lists what may have been meant by one pattern.
func candidates(pattern, tag string) []candidate {
	if strings.HasPrefix(pattern, "/") {
		return nil
	}
	var list []candidate
	if d := distance(strings.ToLower(pattern), strings.ToLower(tag)); isPlain(tag) && d <= len(tag)/4 && sameDepth(pattern, tag) {
		list = append(list, candidate{tag, 1 + d}) // a slip of the pen, or the case
	}
	parts := strings.Split(pattern, ".")
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i] == "*" {
			list = append(list, candidate{with(parts, i, "**"), 3})
		}
	}
	if strings.Contains(pattern, ",") && !strings.ContainsAny(pattern, "{}") {
		list = append(list, candidate{strings.ReplaceAll(pattern, ",", " "), 2})
	}
	list = append(list,
		candidate{strings.TrimSuffix(pattern, ".") + ".**", 4},
		candidate{strings.ReplaceAll(strings.ReplaceAll(pattern, "**", "*"), "*", "**"), 5},
		candidate{"**." + pattern, 6},
	)
	if len(parts) > 1 {
		for i := range parts {
			list = append(list, candidate{with(parts, i, "*"), 7})
		}
	}
	return list
}

// replace gives all patterns, with the one at index i replaced.
func (p *Pattern) replace(i int, text string) string {
	texts := make([]string, len(p.parts))
	for j := range p.parts {
		texts[j] = p.parts[j].text
	}
	texts[i] = text
	return strings.Join(texts, " ")
}

func with(parts []string, i int, text string) string {
	changed := slices.Clone(parts)
	changed[i] = text
	return strings.Join(changed, ".")
}

// closeBlanks takes out the blanks after commas in braces, which part patterns:
// {a, b} is read as the two patterns {a, and b}.
func closeBlanks(patterns string) string {
	if !strings.ContainsRune(patterns, '{') {
		return patterns
	}
	fields := strings.Fields(patterns)
	var b strings.Builder
	for i, f := range fields {
		if i > 0 && !strings.HasSuffix(fields[i-1], ",") && !strings.HasPrefix(f, ",") {
			b.WriteByte(' ')
		}
		b.WriteString(f)
	}
	return b.String()
}

func matches(patterns, tag string) bool {
	p, err := Compile(patterns)
	return err == nil && p.Match(tag)
}

// isPlain says that a tag means itself as a pattern.
func isPlain(tag string) bool {
	return tag != "" && !strings.ContainsAny(tag, "*{},\\ \t\r\n\v\f") && tag[0] != '/' && !strings.HasSuffix(tag, ".")
}

func sameDepth(a, b string) bool { return strings.Count(a, ".") == strings.Count(b, ".") }

// distance is how many characters must be put in, taken out or changed to come
// from a to b; for long texts, which are no slips, it is large.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return maxCost
	}
	var row [longest + 1]int
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
