// Package syntax reads the Ruby subset into a tree.
//
// Ruby cannot be cut into tokens without knowing what the parser expects and
// which names are local variables: "x /2" divides when x is a variable and calls
// x with a regular expression when it is not. So the lexer (lexer.go) works one
// token ahead, on demand, from the state that the token before it left, and
// strings are read by the parser itself, since they hold code that holds strings.
//
// What the subset leaves out (loops, definitions, processes, global and
// instance variables) is recognised and refused by its name, with a cure.
package syntax

// Node is a piece of the tree. Pos is its byte offset in the source.
type Node interface{ Pos() int }

// At is embedded in every node: the byte offset where it begins.
type At int

// Pos is the offset itself.
func (a At) Pos() int { return int(a) }

// Kinds of nodes. Their fields are what their names say.
type (
	// Nil is nil, also what an empty body gives.
	Nil struct{ At }
	// Bool is true or false.
	Bool struct {
		At
		Val bool
	}
	// Int is an integer of any size: int64 or *big.Int.
	Int struct {
		At
		Val any
	}
	// Float is a floating point number.
	Float struct {
		At
		Val float64
	}
	// Str is the text of a string with its escapes done.
	Str struct {
		At
		S string
	}
	// Interp is a string with code in it; Parts are *Str and other nodes.
	Interp struct {
		At
		Parts []Node
	}
	// Sym is a symbol; DSym one whose name is computed.
	Sym struct {
		At
		Name string
	}
	// DSym is :"a#{b}".
	DSym struct {
		At
		Name Node
	}
	// Regexp is /…/flags; Parts as in Interp, escapes left as they are.
	Regexp struct {
		At
		Parts []Node
		Flags string
	}
	// Array is [a, *b]; elements may be *Splat.
	Array struct {
		At
		Elems []Node
	}
	// Pair is one key and value of a Hash; with a nil Key it is **Val.
	Pair struct{ Key, Val Node }
	// Hash is {k => v}; Braceless when it is the keywords of a call.
	Hash struct {
		At
		Pairs     []Pair
		Braceless bool
	}
	// Range is Lo..Hi or Lo...Hi; either end may be nil.
	Range struct {
		At
		Lo, Hi Node
		Excl   bool
	}
	// Var is a local variable: Slot in the frame that is Depth frames out.
	Var struct {
		At
		Name  string
		Scope *Scope
		Depth int
		Slot  int
	}
	// NthRef is $1, $2, …; N is 0 for $& and $~ has its own node.
	NthRef struct {
		At
		N int
	}
	// BackRef is $~ $` $' $+ or $!, named by its sign.
	BackRef struct {
		At
		Sign byte
	}
	// Const is a constant such as Time or Digest::MD5.
	Const struct {
		At
		Name string
	}
	// Assign is Target Op= Value; Op is "" for plain assignment.
	Assign struct {
		At
		Target Node
		Op     string
		Value  Node
	}
	// MultiAssign is a, *b = …; Targets may be *Splat of a target.
	MultiAssign struct {
		At
		Targets []Node
		Value   Node
	}
	// Seq is statements one after the other.
	Seq struct {
		At
		List []Node
	}
	// If is also unless, the modifiers and the ternary. Else may be nil.
	If struct {
		At
		Cond, Then, Else Node
	}
	// When is one branch of Case.
	When struct {
		Tests []Node
		Body  Node
	}
	// Case is case Subject when … else … end. Subject may be nil.
	Case struct {
		At
		Subject Node
		Whens   []When
		Else    Node
	}
	// Rescue is one rescue clause; no Classes means StandardError.
	Rescue struct {
		Classes []Node
		Var     *Var
		Body    Node
	}
	// Begin is begin … rescue … else … ensure … end, and the rescue modifier.
	Begin struct {
		At
		Body    Node
		Rescues []Rescue
		Else    Node
		Ensure  Node
	}
	// And is a && b; Or is a || b.
	And struct {
		At
		L, R Node
	}
	// Or is a || b.
	Or struct {
		At
		L, R Node
	}
	// Not is !a.
	Not struct {
		At
		X Node
	}
	// Defined is defined?(X).
	Defined struct {
		At
		X Node
	}
	// Call is a method call; Recv is nil for a call on self. Operators and
	// indexing are calls too. Captures are the variables that /(?<x>…)/ =~ s sets.
	Call struct {
		At
		Recv     Node
		Name     string
		Args     []Node
		Parens   bool // written with (), so it is no variable
		Safe     bool // &.
		Block    *Block
		BlockArg Node // &x
		Captures []*Var
	}
	// Block is a block or the body of a lambda.
	Block struct {
		At
		Params Params
		Scope  *Scope
		Body   Node
		Lambda bool
	}
	// Lambda is ->(x) { … }.
	Lambda struct {
		At
		Block *Block
	}
	// Splat is *X.
	Splat struct {
		At
		X Node
	}
	// Jump is break, next or return, named by Kind, with an optional value.
	Jump struct {
		At
		Kind string
		X    Node
	}
)

// Param is one parameter of a block: a variable, or a nested list.
type Param struct {
	Var     *Var
	Sub     *Params
	Default Node // optional parameters only
}

// Params are a block's parameters in their order: required, optional, rest,
// required after it.
type Params struct {
	Req, Opt, Post []Param
	Rest           *Var
	HasRest        bool // *x, also a bare * or a trailing comma
	Comma          bool // HasRest comes from a trailing comma
}

// Scope is the variables of a program or of one block.
type Scope struct {
	Parent   *Scope
	Names    []string
	Assigned map[int]bool // slots that some assignment sets
	Numbered int          // highest of _1, _2, … used; it counts as 1
	explicit bool         // the block names its parameters
}

func (s *Scope) find(name string) (*Scope, int, int) {
	depth := 0
	for ; s != nil; s = s.Parent {
		for i := len(s.Names) - 1; i >= 0; i-- {
			if s.Names[i] == name {
				return s, depth, i
			}
		}
		depth++
	}
	return nil, 0, -1
}

func (s *Scope) declare(name string) int {
	s.Names = append(s.Names, name)
	return len(s.Names) - 1
}

// Error is why a text was not understood or is refused. Off is a byte offset.
type Error struct {
	Off  int
	Msg  string
	Hint string
}

func (e *Error) Error() string { return e.Msg }
