-- What a freshly built interpreter must get right before it is packed.
assert(_VERSION == "Lua 5.4")
assert(2 ^ 10 == 1024 and 7 // 2 == 3 and 7 % 3 == 1)
assert(("rally"):rep(2, "-") == "rally-rally")
local seen = {}
for word in ("one two three"):gmatch("%a+") do seen[#seen + 1] = word end
assert(table.concat(seen, ",") == "one,two,three")
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
assert(co() + co() + co() == 6)
assert(select("#", table.unpack({1, 2, 3})) == 3)
assert(not pcall(error, "expected"))
assert(utf8.len("\u{e9}") == 1)
print(_VERSION .. " passed its self-test")
