/**
 * Blobs and GeoJSON texts for scripts, as Lua code that runs before them. A blob is a Lua string that is replaced when
 * it changes; positions count from 1.
 *
 * @module
 */

/** See the module's text. */
export const PRELUDE_BYTES = String.raw`
local core, env = ...
local lua = core.lua
local error, type, tostring, rawsetmetatable = lua.error, lua.type, lua.tostring, lua.setmetatable
local string, charge = lua.string, core.charge
local byte, char, sub, rep, len, pack, unpack, format =
  string.byte, string.char, string.sub, env.string.rep, string.len, string.pack, string.unpack, string.format
local tointeger, rawpcall = lua.math.tointeger, lua.pcall

local BLOB = 4
local SIZE_MAX = 8 * 1024 * 1024
local Bytes, meta, content_of, make = core.class("Bytes")

local function integer(value, what)
  local whole = type(value) == "number" and tointeger(value)
  if not whole then error("bytes: " .. what .. " is an integer, not " .. type(value), 4) end
  return whole
end

-- Puts text at a position: false when it does not fit. What is behind the end so far is filled with zeros.
local function put(content, at, text)
  at = integer(at, "a position")
  local s = content.s
  local size, last = len(s), at + len(text) - 1
  if at < 1 or last > size then return false end
  content.s = sub(s, 1, at - 1) .. text .. sub(s, last + 1)
  return true
end
local function cut(content, at, count)
  at, count = integer(at, "a position"), integer(count, "a count")
  if at < 1 or count < 0 or at + count - 1 > len(content.s) then return nil end
  return sub(content.s, at, at + count - 1)
end

function meta.__index(object, key)
  local content = content_of(object)
  local at = type(key) == "number" and tointeger(key)
  if not at then return nil end
  return at >= 1 and byte(content.s, at) or nil
end
function meta.__newindex(object, key, value)
  local content = content_of(object)
  local at = integer(key, "a position")
  if at < 1 or at > SIZE_MAX then error("bytes: position " .. at .. " is out of range", 2) end
  if at > len(content.s) then content.s = content.s .. rep("\0", at - len(content.s)) end
  put(content, at, char(integer(value, "a byte") & 0xff))
end
function meta.__len(object) return len(content_of(object).s) end
function meta.__tostring(object)
  local s = content_of(object).s
  charge(len(s))
  local shown = env.string.gsub(s, ".", function(letter) return format("%02X ", byte(letter)) end)
  return "Bytes(" .. shown .. ")"
end
function meta.__eq(left, right)
  return content_of(left).s == content_of(right).s
end

function Bytes.size(object) return len(content_of(object).s) end
function Bytes.set_size(object, size)
  local content = content_of(object)
  size = integer(size, "a size")
  if size < 0 or size > SIZE_MAX then return false end
  local now = len(content.s)
  content.s = size <= now and sub(content.s, 1, size) or content.s .. rep("\0", size - now)
  return true
end
Bytes.set_len = Bytes.set_size
function Bytes.ensure(object, size, resize)
  local content = content_of(object)
  size = integer(size, "a size")
  if size < 0 or size > SIZE_MAX then return false end
  if resize and size > len(content.s) then content.s = content.s .. rep("\0", size - len(content.s)) end
  return true
end
function Bytes.get_type(object) return content_of(object).t or BLOB end
function Bytes.set_type(object, kind)
  local content = content_of(object)
  kind = integer(kind, "a type")
  if kind ~= 4 and kind ~= 18 and (kind < 7 or kind > 12) then error("bytes: there is no type " .. kind, 2) end
  content.t = kind
end

-- Numbers, in both byte orders; the name without an order is big-endian.
local SHAPES = { byte = "B", int16 = "i2", int32 = "i4", int64 = "i8" }
local SIZES = { byte = 1, int16 = 2, int32 = 4, int64 = 8 }
for name, shape in lua.pairs(SHAPES) do
  local size = SIZES[name]
  local mask = size < 8 and (1 << (size * 8)) - 1 or -1
  for suffix, order in lua.pairs{ [""] = ">", _be = ">", _le = "<" } do
    local reading, writing = order .. shape, order .. (size == 8 and "i8" or "I" .. size)
    local function text(value) return pack(writing, integer(value, "a value") & mask) end
    Bytes["get_" .. name .. suffix] = function(object, at)
      local taken = cut(content_of(object), at, size)
      if not taken then return nil end
      return (unpack(reading, taken))
    end
    Bytes["set_" .. name .. suffix] = function(object, at, value)
      return put(content_of(object), at, text(value))
    end
    Bytes["append_" .. name .. suffix] = function(object, value)
      local content = content_of(object)
      content.s = content.s .. text(value)
      return true
    end
    Bytes["put_" .. name .. suffix] = Bytes["set_" .. name .. suffix]
  end
end

-- Integers of 32 bits in groups of seven, the lowest first; the highest bit of a byte says that more follow.
local function variable(value)
  value = integer(value, "a value") & 0xffffffff
  local text = ""
  repeat
    local low = value & 0x7f
    value = value >> 7
    text = text .. char(value == 0 and low or low | 0x80)
  until value == 0
  return text
end
function Bytes.get_var_int(object, at)
  local s = content_of(object).s
  at = integer(at, "a position")
  local value, size = 0, 0
  while size < 5 and at >= 1 do
    local part = byte(s, at + size)
    if not part then return 0, 0 end
    value = value | (part & 0x7f) << (7 * size)
    size = size + 1
    if part < 0x80 then return value, size end
  end
  return 0, 0
end
function Bytes.set_var_int(object, at, value)
  local text = variable(value)
  return put(content_of(object), at, text) and len(text) or 0
end
function Bytes.append_var_int(object, value)
  local content, text = content_of(object), variable(value)
  content.s = content.s .. text
  return len(text)
end

local function text_of(value, count)
  if type(value) ~= "string" then error("bytes: a text is expected, not " .. type(value), 3) end
  return count and sub(value, 1, integer(count, "a count")) or value
end
function Bytes.get_string(object, at, count) return cut(content_of(object), at, count) end
function Bytes.set_string(object, at, text, count)
  return put(content_of(object), at, text_of(text, count))
end
function Bytes.append_string(object, text, count)
  local content = content_of(object)
  content.s = content.s .. text_of(text, count)
  return true
end
function Bytes.get_bytes(object, at, count)
  local content = content_of(object)
  local taken = cut(content, at, count)
  return taken and make({ s = taken, t = content.t })
end
function Bytes.set_bytes(object, at, other, count)
  local text = content_of(other, 3).s
  return put(content_of(object), at, count and sub(text, 1, integer(count, "a count")) or text)
end
function Bytes.append_bytes(object, other, count)
  local content, text = content_of(object), content_of(other, 2).s
  content.s = content.s .. (count and sub(text, 1, integer(count, "a count")) or text)
  return true
end
Bytes.put_string, Bytes.put_bytes, Bytes.put_var_int = Bytes.set_string, Bytes.set_bytes, Bytes.set_var_int
Bytes.tostring = meta.__tostring
rawsetmetatable(Bytes, { __call = function(_, size)
  size = size and integer(size, "a size") or 0
  if size < 0 or size > SIZE_MAX then error("bytes: a size is between 0 and " .. SIZE_MAX, 2) end
  return make({ s = rep("\0", size), t = BLOB })
end })
env.bytes, env.Bytes, core.modules.bytes = Bytes, Bytes, Bytes
core.bytes_of = function(text) return make({ s = text, t = BLOB }) end

local GeoJSON, geo_meta, geo_of, make_geo = core.class("GeoJSON")
function geo_meta.__tostring(object) return geo_of(object).s end
function geo_meta.__eq(left, right) return geo_of(left).s == geo_of(right).s end
GeoJSON.tostring = geo_meta.__tostring
rawsetmetatable(GeoJSON, { __call = function(_, text)
  if type(text) ~= "string" then error("GeoJSON: a text is expected, not " .. type(text), 2) end
  return make_geo({ s = text })
end })
env.GeoJSON, env.geojson, core.modules.geojson = GeoJSON, GeoJSON, GeoJSON
`;
