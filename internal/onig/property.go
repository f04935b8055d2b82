package onig

import (
	"strings"
	"sync"
	"unicode"
)

// The sets of \w, \d, \s, \h: in Ruby they are ASCII unless (?u) asks for more.
var (
	asciiWord  = setOf('0', '9', 'A', 'Z', '_', '_', 'a', 'z')
	asciiDigit = setOf('0', '9')
	asciiSpace = setOf('\t', '\r', ' ', ' ')
	hexDigit   = setOf('0', '9', 'A', 'F', 'a', 'f')
	asciiAll   = setOf(0, 0x7f)
	newline    = setOf('\n', '\n')
	everything = setOf(0, maxRune)
)

// posixSets are the classes of [[:name:]] and \p{name}, by Unicode's properties;
// each is computed when it is first used.
var posixSets = map[string]func() *set{
	"alpha": tables(unicode.L, unicode.Nl, unicode.Other_Alphabetic),
	"digit": tables(unicode.Nd),
	"alnum": tables(unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.Nd),
	"upper": tables(unicode.Lu, unicode.Other_Uppercase),
	"lower": tables(unicode.Ll, unicode.Other_Lowercase),
	"space": tables(unicode.White_Space),
	"cntrl": tables(unicode.Cc),
	"word":  tables(unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.M, unicode.Nd, unicode.Pc),
	"graph": sync.OnceValue(graph),
	"blank": sync.OnceValue(func() *set { return setOfTables(unicode.Zs).union(setOf('\t', '\t')) }),
	"print": sync.OnceValue(func() *set { return graph().union(setOfTables(unicode.Zs)) }),
	"punct": sync.OnceValue(func() *set {
		return setOfTables(unicode.P).union(setOf('$', '$', '+', '+', '<', '>', '^', '^', '`', '`', '|', '|', '~', '~'))
	}),
	"xdigit": func() *set { return hexDigit },
	"ascii":  func() *set { return asciiAll },
}

func tables(t ...*unicode.RangeTable) func() *set {
	return sync.OnceValue(func() *set { return setOfTables(t...) })
}

// posix is the class of a name, nil when there is none.
func posix(name string) *set {
	if s, ok := posixSets[name]; ok {
		return s()
	}
	return nil
}

// graph is what leaves ink: no white space, control character or surrogate, and
// nothing that is not assigned.
func graph() *set {
	return setOfTables(unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Cf, unicode.Co)
}

// property finds the set of \p{name}: a class of POSIX, a general category or a
// script. Case, blanks, hyphens and underscores do not matter.
func property(name string) *set {
	key := plainName(name)
	if same, ok := otherNames[key]; ok {
		key = same
	}
	if s := posix(key); s != nil {
		return s
	}
	if key == "any" {
		return everything
	}
	if long, ok := categoryNames[key]; ok {
		key = plainName(long)
	}
	for _, tables := range []map[string]*unicode.RangeTable{unicode.Categories, unicode.Scripts, unicode.Properties} {
		for n, t := range tables {
			if plainName(n) == key {
				return setOfTables(t)
			}
		}
	}
	return nil
}

func plainName(s string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", "-", "", "_", "").Replace(s))
}

// otherNames are Unicode's names of classes that POSIX names too.
var otherNames = map[string]string{"alphabetic": "alpha", "uppercase": "upper", "lowercase": "lower", "whitespace": "space"}

// categoryNames are the long names of Unicode's general categories.
var categoryNames = map[string]string{
	"letter": "L", "casedletter": "LC", "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt", "modifierletter": "Lm", "otherletter": "Lo",
	"mark": "M", "combiningmark": "M", "nonspacingmark": "Mn", "spacingmark": "Mc", "enclosingmark": "Me",
	"number": "N", "decimalnumber": "Nd", "letternumber": "Nl", "othernumber": "No",
	"punctuation": "P", "connectorpunctuation": "Pc", "dashpunctuation": "Pd", "openpunctuation": "Ps", "closepunctuation": "Pe", "initialpunctuation": "Pi", "finalpunctuation": "Pf", "otherpunctuation": "Po",
	"symbol": "S", "mathsymbol": "Sm", "currencysymbol": "Sc", "modifiersymbol": "Sk", "othersymbol": "So",
	"separator": "Z", "spaceseparator": "Zs", "lineseparator": "Zl", "paragraphseparator": "Zp",
	"other": "C", "control": "Cc", "format": "Cf", "privateuse": "Co", "surrogate": "Cs",
}
