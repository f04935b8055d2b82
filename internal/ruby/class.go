package ruby

// Class is a class or module, known by its name.
type Class struct {
	name   string
	module bool
}

// superclass maps a class to the one it extends, "" for BasicObject. Modules
// map to "-".
var superclass = map[string]string{
	"BasicObject": "", "Object": "BasicObject", "NilClass": "Object", "TrueClass": "Object", "FalseClass": "Object",
	"Numeric": "Object", "Integer": "Numeric", "Float": "Numeric", "String": "Object", "Symbol": "Object",
	"Array": "Object", "Hash": "Object", "Range": "Object", "Time": "Object", "Regexp": "Object", "MatchData": "Object",
	"Proc": "Object", "Module": "Object", "Class": "Module", "Enumerator": "Object", "Enumerator::ArithmeticSequence": "Enumerator", "Encoding": "Object",
	"Date": "Object", "DateTime": "Date", "IPAddr": "Object", "Fluent::EventTime": "Object",
	"URI::Generic": "Object", "URI::HTTP": "URI::Generic", "URI::HTTPS": "URI::HTTP",
	"Comparable": "-", "Enumerable": "-", "Kernel": "-", "Math": "-", "JSON": "-", "Digest": "-", "Base64": "-", "Process": "-",
	"SecureRandom": "-", "URI": "-", "CGI": "Object", "Zlib": "-", "OpenSSL": "-", "OpenSSL::HMAC": "Object", "OpenSSL::Digest": "Object",
	"Digest::MD5": "Object", "Digest::SHA1": "Object", "Digest::SHA2": "Object", "Digest::SHA256": "Object", "Digest::SHA384": "Object", "Digest::SHA512": "Object",
	"ENV": "Object", "Socket": "Object", "File": "Object", "Random": "Object", "ERB": "Object", "ERB::Util": "-", "Shellwords": "-",

	"Exception": "Object", "ScriptError": "Exception", "NotImplementedError": "ScriptError", "NoMemoryError": "Exception",
	"SystemStackError": "Exception", "SecurityError": "Exception", "SystemExit": "Exception", "Interrupt": "Exception",
	"StandardError": "Exception", "ArgumentError": "StandardError", "UncaughtThrowError": "ArgumentError",
	"EncodingError": "StandardError", "Encoding::CompatibilityError": "EncodingError",
	"Encoding::UndefinedConversionError": "EncodingError", "Encoding::InvalidByteSequenceError": "EncodingError",
	"Encoding::ConverterNotFoundError": "EncodingError", "FiberError": "StandardError", "IOError": "StandardError",
	"EOFError": "IOError", "IndexError": "StandardError", "KeyError": "IndexError", "StopIteration": "IndexError",
	"LocalJumpError": "StandardError", "NameError": "StandardError", "NoMethodError": "NameError",
	"RangeError": "StandardError", "FloatDomainError": "RangeError", "RegexpError": "StandardError",
	"RuntimeError": "StandardError", "FrozenError": "RuntimeError", "ThreadError": "StandardError",
	"TypeError": "StandardError", "ZeroDivisionError": "StandardError", "SystemCallError": "StandardError",
	"JSON::JSONError": "StandardError", "JSON::ParserError": "JSON::JSONError", "JSON::NestingError": "JSON::ParserError",
	"JSON::GeneratorError": "JSON::JSONError", "Date::Error": "ArgumentError", "URI::Error": "StandardError",
	"URI::InvalidURIError": "URI::Error", "URI::InvalidComponentError": "URI::Error", "IPAddr::Error": "ArgumentError",
	"IPAddr::InvalidAddressError": "IPAddr::Error", "IPAddr::AddressFamilyError": "IPAddr::Error", "IPAddr::InvalidPrefixError": "IPAddr::InvalidAddressError",
	"Math::DomainError": "ArgumentError", "Errno::ERANGE": "SystemCallError", "Timeout::Error": "RuntimeError",
}

// included lists the modules of a class, in Ruby's order.
var included = map[string][]string{
	"Object": {"Kernel"}, "Numeric": {"Comparable"}, "String": {"Comparable"}, "Time": {"Comparable"}, "Date": {"Comparable"},
	"IPAddr": {"Comparable"}, "Array": {"Enumerable"}, "Hash": {"Enumerable"}, "Range": {"Enumerable"}, "Enumerator": {"Enumerable"},
	"Symbol": {"Comparable"},
}

// classes holds one *Class per name, so that they can be compared by identity.
var classes = func() map[string]*Class {
	all := make(map[string]*Class, len(superclass))
	for name, super := range superclass {
		all[name] = &Class{name: name, module: super == "-"}
	}
	return all
}()

// className is the name of a value's class.
func className(v Value) string {
	switch v := v.(type) {
	case *Exception:
		return v.class.name
	case *Class:
		if v.module {
			return "Module"
		}
		return "Class"
	case *date:
		if v.hasTime {
			return "DateTime"
		}
		return "Date"
	case *enumerator:
		if r, ok := v.recv.(*Range); (v.name == "step" || v.name == "%") && (!ok || isNumber(r.lo)) {
			return "Enumerator::ArithmeticSequence"
		}
	case *uriValue:
		return v.class()
	}
	return kindNames[kindOf(v)]
}

var kindNames = [nKinds]string{
	kNil: "NilClass", kTrue: "TrueClass", kFalse: "FalseClass", kInt: "Integer", kFloat: "Float", kStr: "String",
	kSym: "Symbol", kArray: "Array", kHash: "Hash", kRange: "Range", kTime: "Time", kRegexp: "Regexp", kMatch: "MatchData",
	kProc: "Proc", kClass: "Class", kException: "Exception", kEnum: "Enumerator", kDate: "Date", kIP: "IPAddr",
	kURI: "URI::Generic", kEncoding: "Encoding", kEventTime: "Fluent::EventTime", kMain: "Object",
}

// isA tells whether a value's class is the named one or descends from it.
func isA(v Value, name string) bool { return descends(className(v), name) }

func descends(class, name string) bool {
	for class != "" && class != "-" {
		if class == name {
			return true
		}
		for _, mod := range included[class] {
			if mod == name {
				return true
			}
		}
		class = superclass[class]
	}
	return false
}

// ancestors are a class and what it descends from.
func ancestors(class string) []string {
	var out []string
	for class != "" && class != "-" {
		out = append(out, class)
		out = append(out, included[class]...)
		class = superclass[class]
	}
	return out
}

// described is a value as NoMethodError names it: inspected, with its class.
func (m *Env) described(v Value) string {
	switch v := v.(type) {
	case nil:
		return "nil:NilClass"
	case bool:
		if v {
			return "true:TrueClass"
		}
		return "false:FalseClass"
	case *Class:
		return v.name + ":" + className(v)
	}
	return m.inspect(v) + ":" + className(v)
}

// nouned is a value as "no implicit conversion of …" names it.
func nouned(v Value) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case bool:
		if v {
			return "true"
		}
		return "false"
	}
	return className(v)
}
