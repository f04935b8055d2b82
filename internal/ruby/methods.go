package ruby

import (
	"maps"
	"slices"
	"sync"
)

// fn is a method: args is only borrowed, blk is nil when there is none.
type fn = func(m *Env, self Value, args []Value, blk *Proc) Value

// method is a method and how many arguments it takes; max -1 means any number.
// With kw, keywords may follow those.
type method struct {
	fn       fn
	min, max int8
	kw       bool
}

type table = map[string]method

// tables are the methods of each kind of receiver, filled once. They cannot be
// plain initial values: methods look up methods.
var (
	tablesOnce   sync.Once
	tables       [nKinds]table
	classTables  map[string]table
	allNames     []string
	allClassName map[string]bool
)

func lookup(k kind, name string) method {
	tablesOnce.Do(fillTables)
	return tables[k][name]
}

// classMethod is a method of a class, such as Time.now.
func classMethod(class, name string) method {
	tablesOnce.Do(fillTables)
	return classTables[class][name]
}

func knownClassMethod(name string) bool {
	tablesOnce.Do(fillTables)
	return allClassName[name]
}

func methodNames() []string {
	tablesOnce.Do(fillTables)
	return allNames
}

func classMethodNames(class string) []string {
	tablesOnce.Do(fillTables)
	return slices.Concat(slices.Collect(maps.Keys(classTables[class])), slices.Collect(maps.Keys(tables[kClass])))
}

func fillTables() {
	object := objectMethods()
	for k := range nKinds {
		tables[k] = maps.Clone(object)
	}
	add := func(k kind, list ...table) {
		for _, t := range list {
			maps.Copy(tables[k], t)
		}
	}
	comparable, enumerable := comparableMethods(), enumerableMethods()
	add(kNil, nilMethods())
	add(kTrue, boolMethods())
	add(kFalse, boolMethods())
	add(kInt, comparable, numericMethods(), integerMethods(), integerBitMethods())
	add(kFloat, comparable, numericMethods(), floatMethods())
	add(kStr, comparable, stringMethods(), stringCaseMethods(), stringEditMethods(), stringIndexMethods(),
		stringSearchMethods(), stringSubMethods(), stringSplitMethods(), stringEncodingMethods(), stringNumberMethods())
	add(kSym, comparable, symbolMethods())
	add(kArray, enumerable, arrayMethods(), arrayIndexMethods(), arrayEditMethods(), arraySetMethods(), arrayOrderMethods(), arrayMixMethods())
	add(kHash, enumerable, hashMethods(), hashEditMethods(), hashPickMethods())
	add(kRange, enumerable, rangeMethods())
	add(kEnum, enumerable, enumeratorMethods())
	add(kTime, comparable, timeMethods(), timePartMethods(), timeZoneMethods())
	add(kDate, comparable, dateMethods())
	add(kRegexp, regexpMethods())
	add(kMatch, matchMethods())
	add(kProc, procMethods())
	add(kClass, classObjectMethods())
	add(kException, exceptionMethods())
	add(kIP, comparable, ipMethods())
	add(kURI, uriMethods())
	add(kEncoding, encodingMethods())
	add(kEventTime, eventTimeMethods())
	tables[kMain] = mainMethods()
	classTables = classMethodTables()
	names := map[string]bool{}
	allClassName = map[string]bool{}
	for k := range nKinds {
		for name := range tables[k] {
			if k != kMain {
				names[name] = true
			}
		}
	}
	for _, t := range classTables {
		for name := range t {
			names[name], allClassName[name] = true, true
		}
	}
	allNames = slices.Sorted(maps.Keys(names))
}

// rubyHas tells whether Ruby's class of v has a method that is not here.
func rubyHas(v Value, name string) bool {
	if _, ok := v.(*Class); ok {
		return true // the class's own methods are not listed: better refused than wrong
	}
	for _, class := range ancestors(className(v)) {
		if slices.Contains(rubyNames()[class], name) {
			return true
		}
	}
	return false
}

// rubyNames are the methods of Ruby's classes, ours and others.
var rubyNames = sync.OnceValue(func() map[string][]string {
	all := make(map[string][]string, len(rubyNameLists))
	for class, list := range rubyNameLists {
		all[class] = words(list)
	}
	return all
})
