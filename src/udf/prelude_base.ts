/**
 * The part of Lua's standard library that scripts get, as Lua code that runs before them.
 *
 * Left out: files, processes, the environment, loading of code, `debug`, and everything that is not named here. Put in
 * the place of Lua's own: functions that could run for long without an instruction being counted, that would let a
 * script go on after it was stopped, or that would make finalizers.
 *
 * The chunk gets `core` (functions of `host_functions.ts`, shared by all parts of the prelude) and `lua` (the globals as
 * Lua's own libraries have made them), and returns the globals for scripts.
 *
 * @module
 */

/** See the module's text. */
export const PRELUDE_BASE = String.raw`
local core, lua = ...
local error, type, select, tostring, tonumber = lua.error, lua.type, lua.select, lua.tostring, lua.tonumber
local rawget, rawset, rawlen, next = lua.rawget, lua.rawset, lua.rawlen, lua.next
local string, table, math, coroutine = lua.string, lua.table, lua.math, lua.coroutine
local getmetatable, charge, search, plain = core.getmetatable, core.charge, core.search, core.plain

local env = {}
for _, name in lua.ipairs{
  "assert", "error", "getmetatable", "ipairs", "next", "pairs", "rawequal", "rawget", "rawlen", "rawset", "select",
  "tonumber", "tostring", "type", "_VERSION",
} do env[name] = lua[name] end
env._G = env

local function fault(text)
  error(text, 3)
end

-- Errors of a call that was stopped are raised again wherever a script catches them.
local rawpcall, stopped = lua.pcall, core.stopped
local function passed(ok, ...)
  if not ok and stopped() then error((...), 0) end
  return ok, ...
end
function env.pcall(f, ...)
  return passed(rawpcall(f, ...))
end
local function handled(handler, ok, ...)
  if ok then return true, ... end
  if stopped() then error((...), 0) end
  return false, handler(...)
end
-- The handler runs after the error has left its place: within it nothing would be counted.
function env.xpcall(f, handler, ...)
  return handled(handler, rawpcall(f, ...))
end

local rawsetmetatable = lua.setmetatable
function env.setmetatable(t, mt)
  if type(mt) == "table" and rawget(mt, "__gc") ~= nil then fault("finalizers (__gc) are not available") end
  return rawsetmetatable(t, mt)
end

-- A new coroutine, and one that is resumed, begins to count anew.
env.coroutine = {
  isyieldable = coroutine.isyieldable, running = coroutine.running, status = coroutine.status,
  yield = coroutine.yield,
}
local create, resume, close = coroutine.create, coroutine.resume, coroutine.close
function env.coroutine.create(f)
  charge(1000)
  return create(f)
end
function env.coroutine.resume(thread, ...)
  charge(1000)
  return passed(resume(thread, ...))
end
function env.coroutine.close(thread)
  charge(1000)
  return passed(close(thread))
end
local function unwrapped(ok, ...)
  if not ok then error((...), 0) end
  return ...
end
function env.coroutine.wrap(f)
  charge(1000)
  local thread = create(f)
  return function(...)
    charge(1000)
    return unwrapped(resume(thread, ...))
  end
end

-- string
local byte, sub, rep, len = string.byte, string.sub, string.rep, string.len
local s = {}
for _, name in lua.ipairs{
  "byte", "char", "format", "len", "lower", "pack", "packsize", "reverse", "sub", "unpack", "upper",
} do s[name] = string[name] end
env.string = s
function s.rep(text, count, separator)
  text = tostring(text)
  if separator then
    if len(text) + len(separator) == 0 then return "" end
    charge(count > 0 and count < 1e9 and count // 4 or 0)
    return rep(text, count, separator)
  end
  if len(text) == 0 then return "" end
  -- Lua copies one repetition after the other: many short ones are put together from longer ones.
  if count <= 32 or len(text) > 256 then return rep(text, count) end
  return s.rep(rep(text, 32), count // 32) .. rep(text, count % 32)
end
local function from(text, init)
  init = init or 1
  if init < 0 then init = len(text) + init + 1 end
  return init < 1 and 1 or init
end
local function captured(text, first, past, ...)
  if not first then return nil end
  if select("#", ...) == 0 then return sub(text, first, past - 1) end
  return ...
end
local function found(first, past, ...)
  if not first then return nil end
  return first, past - 1, ...
end
local function text_of(value)
  local kind = type(value)
  if kind == "number" then return tostring(value) end
  if kind ~= "string" then error("string expected, got " .. kind, 3) end
  return value
end
function s.find(text, pattern, init, is_plain)
  text, pattern = text_of(text), text_of(pattern)
  init = from(text, init)
  if init > len(text) + 1 then return nil end
  if is_plain then return found(plain(text, pattern, init)) end
  return found(search(text, pattern, init, 0, true))
end
function s.match(text, pattern, init)
  text, pattern = text_of(text), text_of(pattern)
  init = from(text, init)
  if init > len(text) + 1 then return nil end
  return captured(text, search(text, pattern, init, 0, true))
end
function s.gmatch(text, pattern, init)
  text, pattern = text_of(text), text_of(pattern)
  local at, last = from(text, init), 0
  local function step(first, past, ...)
    if not first then return nil end
    at, last = past, past
    return captured(text, first, past, ...)
  end
  return function()
    if at > len(text) + 1 then return nil end
    return step(search(text, pattern, at, last, false))
  end
end
local concat = table.concat
local function expand(template, whole, ...)
  local parts, count, at = {}, 0, 1
  while true do
    local percent = plain(template, "%", at)
    if not percent then break end
    local code = sub(template, percent + 1, percent + 1)
    parts[count + 1] = sub(template, at, percent - 1)
    local value = code
    if code == "0" then value = whole
    elseif code == "1" and select("#", ...) == 0 then value = whole
    elseif code >= "1" and code <= "9" and len(code) == 1 then
      if tonumber(code) > select("#", ...) then
        error("invalid capture index %" .. code .. " in replacement string", 4)
      end
      value = tostring((select(tonumber(code), ...)))
    elseif code ~= "%" then
      error("invalid use of '%' in replacement string", 4)
    end
    parts[count + 2] = value
    count = count + 2
    at = percent + 2
  end
  if count == 0 then return template end
  parts[count + 1] = sub(template, at)
  return concat(parts)
end
local function replacement(replace, kind, whole, ...)
  local value
  if kind == "string" then return expand(replace, whole, ...)
  elseif kind == "table" then
    local key = ...
    if select("#", ...) == 0 then key = whole end
    value = replace[key]
  elseif select("#", ...) == 0 then value = replace(whole)
  else value = replace(...) end
  if not value then return whole end
  if type(value) ~= "string" and type(value) ~= "number" then
    error("invalid replacement value (a " .. type(value) .. ")", 3)
  end
  return value
end
function s.gsub(text, pattern, replace, most)
  text, pattern = text_of(text), text_of(pattern)
  local kind = type(replace)
  if kind == "number" then replace, kind = tostring(replace), "string" end
  if kind ~= "string" and kind ~= "table" and kind ~= "function" then
    fault("bad argument #3 to 'gsub' (string/function/table expected, got " .. kind .. ")")
  end
  local parts, count, changes, at, last = {}, 0, 0, 1, 0
  local anchored = byte(pattern, 1) == 94
  local function step(first, past, ...)
    if not first then return false end
    parts[count + 1] = sub(text, at, first - 1)
    parts[count + 2] = replacement(replace, kind, sub(text, first, past - 1), ...)
    count, changes, at, last = count + 2, changes + 1, past, past
    return true
  end
  while (not most or changes < most) and at <= len(text) + 1 do
    if not step(search(text, pattern, at, last, true)) or anchored then break end
  end
  parts[count + 1] = sub(text, at)
  return concat(parts), changes
end
local strings = getmetatable("")
strings.__index = s
strings.__metatable = false

-- table: Lua's own functions where no metatable can make their work endless, and count what they do.
local t = { pack = table.pack }
env.table = t
function t.concat(list, separator, first, last)
  first, last = first or 1, last or #list
  if getmetatable(list) then
    local copy, count = {}, 0
    for index = first, last do
      count = count + 1
      copy[count] = list[index]
    end
    return concat(copy, separator, 1, count)
  end
  if last >= first then charge((rawlen(list)) // 8) end
  return concat(list, separator, first, last)
end
local insert, remove, sort, move, unpack = table.insert, table.remove, table.sort, table.move, table.unpack
function t.insert(list, ...)
  if type(list) ~= "table" then fault("bad argument #1 to 'insert' (table expected, got " .. type(list) .. ")") end
  if not getmetatable(list) then
    if select("#", ...) ~= 1 then charge(rawlen(list) // 4) end
    return insert(list, ...)
  end
  local size, count = #list, select("#", ...)
  local place, value = ...
  if count == 1 then place, value = size + 1, place
  elseif count ~= 2 then fault("wrong number of arguments to 'insert'") end
  for index = size, place, -1 do list[index + 1] = list[index] end
  list[place] = value
end
function t.remove(list, place)
  if type(list) ~= "table" then fault("bad argument #1 to 'remove' (table expected, got " .. type(list) .. ")") end
  if not getmetatable(list) then
    if place then charge(rawlen(list) // 4) end
    return remove(list, place)
  end
  local size = #list
  place = place or size
  local value = list[place]
  for index = place, size - 1 do list[index] = list[index + 1] end
  if place <= size then list[size] = nil end
  return value
end
function t.sort(list, before)
  local size = #list
  charge(size > 0 and size < 1e9 and size * 20 or 0)
  if not getmetatable(list) then return sort(list, before) end
  local copy = {}
  for index = 1, size do copy[index] = list[index] end
  sort(copy, before)
  for index = 1, size do list[index] = copy[index] end
end
function t.move(source, first, last, place, target)
  if last >= first then charge(last - first < 1e9 and (last - first) // 2 or 1e9) end
  return move(source, first, last, place, target or source)
end
function t.unpack(list, first, last)
  first, last = first or 1, last or #list
  if last >= first then charge(last - first < 1e9 and (last - first) // 8 or 1e9) end
  return unpack(list, first, last)
end
env.unpack = t.unpack

env.math = {}
for name, value in next, math do env.math[name] = value end
env.utf8 = {}
for name, value in next, lua.utf8 do env.utf8[name] = value end

local clock, time, date = core.clock, core.time, core.date
env.os = {
  clock = clock,
  difftime = function(later, earlier) return later * 1.0 - (earlier or 0) end,
  time = function(parts)
    if parts == nil then return (time()) end
    return time(parts.year or fault("field 'year' missing in date table"), parts.month or fault("field 'month' missing"),
      parts.day or fault("field 'day' missing"), parts.hour or 12, parts.min or 0, parts.sec or 0)
  end,
  date = function(format, at)
    format = format or "%c"
    if byte(format, 1) == 33 then format = sub(format, 2) end
    local parts = {}
    parts.year, parts.month, parts.day, parts.hour, parts.min, parts.sec, parts.wday, parts.yday =
      date(at or (time()))
    parts.isdst = false
    if sub(format, 1, 2) == "*t" then return parts end
    return core.strftime(format, parts)
  end,
}

-- Modules by name, among those that are registered.
local modules = {}
for _, name in lua.ipairs{ "string", "table", "math", "utf8", "coroutine", "os" } do modules[name] = env[name] end
function env.require(name)
  local module = modules[name]
  if module == nil then
    local chunk = core.module(name)
    modules[name] = true
    module = chunk(name)
    if module == nil then module = true end
    modules[name] = module
  end
  return module
end

local format = string.format
local function logger(level)
  return function(text, ...)
    if select("#", ...) > 0 then text = format(text, ...) end
    core.log(level, tostring(text))
  end
end
env.trace, env.debug, env.info, env.warn = logger(4), logger(3), logger(2), logger(1)
function env.print(...)
  local parts = {}
  for index = 1, select("#", ...) do parts[index] = tostring((select(index, ...))) end
  core.log(2, concat(parts, "\t"))
end
function env.collectgarbage()
  return 0
end

local days = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" }
local months = { "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
  "November", "December" }
local conversions
local function convert(pattern, parts)
  return (s.gsub(pattern, "%%(.)", function(letter)
    local conversion = conversions[letter]
    if not conversion then error("invalid conversion specifier '%" .. letter .. "'", 0) end
    return conversion(parts)
  end))
end
local function numbered(field, shape, offset)
  return function(parts) return format(shape, parts[field] + (offset or 0)) end
end
conversions = {
  Y = numbered("year", "%d"), m = numbered("month", "%02d"), d = numbered("day", "%02d"), e = numbered("day", "%2d"),
  H = numbered("hour", "%02d"), M = numbered("min", "%02d"), S = numbered("sec", "%02d"),
  j = numbered("yday", "%03d"), w = numbered("wday", "%d", -1),
  y = function(parts) return format("%02d", parts.year % 100) end,
  I = function(parts) return format("%02d", (parts.hour + 11) % 12 + 1) end,
  p = function(parts) return parts.hour < 12 and "AM" or "PM" end,
  A = function(parts) return days[parts.wday] end,
  a = function(parts) return sub(days[parts.wday], 1, 3) end,
  B = function(parts) return months[parts.month] end,
  b = function(parts) return sub(months[parts.month], 1, 3) end,
  c = function(parts) return convert("%a %b %e %H:%M:%S %Y", parts) end,
  x = function(parts) return convert("%m/%d/%y", parts) end,
  X = function(parts) return convert("%H:%M:%S", parts) end,
  D = function(parts) return convert("%m/%d/%y", parts) end,
  F = function(parts) return convert("%Y-%m-%d", parts) end,
  T = function(parts) return convert("%H:%M:%S", parts) end,
  Z = function() return "UTC" end,
  z = function() return "+0000" end,
  n = function() return "\n" end,
  t = function() return "\t" end,
  ["%"] = function() return "%" end,
}
core.strftime = convert

-- What the types of the database are made with.
core.modules, core.lua, core.env = modules, lua, env
local getuservalue = core.getuservalue
function core.class(name)
  local public, hidden = {}, { __name = name }
  hidden.__metatable = public
  core.define(name, hidden)
  local function content(object, place)
    if getmetatable(object) ~= hidden then
      error("bad argument #" .. (place or 1) .. " (" .. name .. " expected, got " .. type(object) .. ")", 3)
    end
    return (getuservalue(object, 1))
  end
  local function make(value)
    return core.userdata(value, hidden)
  end
  return public, hidden, content, make
end
return env
`;
