package ruby

// refusedMethods are methods that Ruby has and that are left out on purpose, with
// what to do instead.
var refusedMethods = func() map[string]string {
	t := map[string]string{}
	for names, hint := range map[string]string{
		"system exec spawn fork ` popen trap exit exit! abort at_exit kill":                "nothing here may start or end a process",
		"open gets readline readlines read write puts print p pp putc printf warn display": "expressions only give a value; nothing reads what they print",
		"load require_relative autoload eval instance_eval class_eval module_eval binding": "write the expression itself",
		"instance_exec class_exec define_method method_missing instance_variable_get":      "write the expression itself",
		"instance_variable_set send __send__ public_send method public_method":             "call the method by its name",
		"loop":               "use each, times or upto",
		"sleep select":       "an expression must not wait",
		"catch throw callcc": "use return or break",
		"object_id __id__":   "it differs from run to run",
		"srand caller caller_locations set_trace_func global_variables local_variables":          "leave it out",
		"extend singleton_class define_singleton_method singleton_method methods public_methods": "use respond_to?",
		"Rational Complex to_c": "use floats",
		"lazy cycle":            "leave it out",
		"local_variable_get local_variable_set block_given? attr_accessor include prepend_features private": "leave it out",
	} {
		for _, name := range words(names) {
			t[name] = hint
		}
	}
	return t
}()

// refusedConstants are constants that Ruby has and that are left out on purpose.
var refusedConstants = func() map[string]string {
	t := map[string]string{}
	for names, hint := range map[string]string{
		"IO File Dir FileUtils FileTest Pathname Tempfile STDIN STDOUT STDERR Logger CSV YAML Psych Marshal PStore": "expressions may not touch files",
		"Process Open3 PTY Signal Thread Mutex Queue Fiber Ractor ObjectSpace GC RubyVM TracePoint Binding":         "expressions may not touch processes or threads",
		"Net Net::HTTP TCPSocket UDPSocket UNIXSocket Resolv Addrinfo TCPServer OpenURI HTTPClient Faraday":         "expressions may not touch the network",
		"Socket":            "only Socket.gethostname is there",
		"Rational Complex":  "use floats",
		"BigDecimal":        "use integers or floats",
		"Struct OpenStruct": "use a hash",
		"Set":               "use an array with uniq, | and &",
		"Fluent Fluent::EventTime Yajl Oj MessagePack": "use JSON",
		"Module Class Method UnboundMethod":            "write the expression itself",
	} {
		for _, name := range words(names) {
			t[name] = hint
		}
	}
	return t
}()
