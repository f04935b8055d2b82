# Evaluates expressions as Fluentd's record_transformer does, and prints what they
# give. Reads lines of base64, writes lines of base64.
require "json"
require "time"
require "date"
require "digest"
require "openssl"
require "base64"
require "securerandom"
require "socket"
require "uri"
require "cgi"
require "erb"
require "zlib"
require "ipaddr"
require "shellwords"
require "timeout"

class Room
  def expand(__s, tag, time, record, tag_parts, tag_prefix, tag_suffix, hostname)
    instance_eval(__s)
  end
end

RECORD = %q({"k":"kv","i":7,"f":2.567,"num":"42","s":"banana split","nest":{"in":1,"b":"c","deep":{"x":[1,{"y":null}]}},
"arr":[1,2,3],"words":["b","a","c","a"],"mixed":[1,"a",null,2.5,[3],{"z":1}],"js":"{\"q\":[1,2]}","u":"h\u00e9\u00e9\u65e5","e":"","n":null,"t":true,
"log":"127.0.0.1 - - [13/Sep/2020:12:26:40 +0000] \"GET /a?b=c HTTP/1.1\" 200 12","ms":1600000000123,"neg":-5,"big":123456789012345678901234567890})

def show(v)
  s = v.inspect
  return "SKIP" if s =~ /0x0/
  if v.is_a?(String) && !v.ascii_only?
    s += " " + v.encoding.to_s
  end
  s.b
end

$stdout.binmode
$stdin.binmode
room = Room.new
STDIN.each_line do |line|
  src = line.unpack1("m").force_encoding("UTF-8")
  out =
    begin
      t = Time.at(1600000000, 123456700, :nsec)
      tag = "a.b.c"
      v = Timeout.timeout(5) { room.expand(src, tag, t, JSON.parse(RECORD), %w[a b c], %w[a a.b a.b.c], %w[a.b.c b.c c], "host".b) }
      "=> " + show(v)
    rescue Exception => e
      "!! #{e.class}: ".b + e.message.b
    end
  out = "SKIP" if out =~ /0x0[0-9a-f]{6}/
  STDOUT.puts [out].pack("m0")
  STDOUT.flush
end
