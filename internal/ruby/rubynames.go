package ruby

var rubyNames = map[string][]string{}
