// Package ruby evaluates the Ruby that people write in configurations: in
// record_transformer's ${…} with enable_ruby, and in "#{…}" of quoted values.
//
// It is a subset, chosen so that an expression either gives what Ruby 3.1 gives
// or is refused when the configuration is read, with its column and a cure.
// Package syntax reads the text; check.go refuses what is not there, by name;
// compile.go turns the tree into Go closures, once; Eval runs those, once per
// record, within an [Env] that is used again and again.
//
// Nothing here can open a file, start a process or reach the network, because
// nothing that does is there. Running is bounded: by steps, by the bytes that
// strings and lists may take, and by depth.
//
// Inside, a Ruby exception is a Go panic with an *[Exception], as the methods
// (one file per receiver and theme: string_case.go, array_sort.go, …) would
// otherwise be half error handling. It never leaves the package: Eval returns it.
//
// What differs from Ruby, beyond what is refused: messages of NameError suggest no
// names; elements that compare equal are sorted as glibc sorts them; functions of
// Math and ** give the nearest float, which the C library misses once in a great
// while; nothing is printed or warned about. A method that Ruby's class has and
// that is not here raises [Unsupported], which no rescue catches, so that
// "x.foo rescue y" cannot turn into a wrong value (rubynames.go is how we know).
//
// Tests hold all of this to the real thing: testdata/expr was recorded from it, and
// where ruby is installed expressions and programs made at random are compared too
// (RUBY_DIFF=20,7 go test -run AgainstRuby makes twenty times as many).
//
// The reference is Ruby run as Fluentd runs its workers, with both default
// encodings ASCII-8BIT, which shows in inspect ("\u00E9" for é).
package ruby
