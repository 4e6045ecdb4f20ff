/**
 * Records, the `aerospike` object and streams for scripts, as Lua code that runs before them.
 *
 * A record's bins are fetched when they are asked for and kept; what is assigned is kept too and goes to the database
 * with `aerospike:create` or `aerospike:update`. A record is good for the call that it was made for.
 *
 * @module
 */

/** See the module's text. */
export const PRELUDE_RECORD = String.raw`
local core, env = ...
local lua = core.lua
local error, type, next, tostring, select, rawsetmetatable =
  lua.error, lua.type, lua.next, lua.tostring, lua.select, lua.setmetatable
local getmetatable = core.getmetatable

-- A record's content: id of the call, got and put bins by name. GONE stands for a bin that is not there.
local GONE = {}
local Record, meta, content_of, make = core.class("Record")
local function open(rec, place)
  local content = content_of(rec, place)
  if not core.is_open(content.id) then error("the record belongs to a call that is over", 3) end
  return content
end
local function bin_name(name)
  if type(name) ~= "string" then error("the name of a bin is a text, not " .. type(name), 3) end
  return name
end
function meta.__index(rec, name)
  local content = open(rec)
  local value = content.bins[bin_name(name)]
  if value == nil then
    if not content.removed then value = core.bin(name) end
    if value == nil then value = GONE end
    content.bins[name] = value
  end
  if value == GONE then return nil end
  return value
end
function meta.__newindex(rec, name, value)
  local content = open(rec)
  if type(value) == "table" or type(value) == "function" then
    error("a bin can't hold a " .. type(value) .. ": use list() or map()", 2)
  end
  content.bins[bin_name(name)] = value == nil and GONE or value
  content.changed[name] = true
end
function meta.__tostring(rec) return "Record()" end
function core.record(id)
  return make({ id = id, bins = {}, changed = {} })
end

function Record.gen(rec) open(rec) return core.fact("generation") end
function Record.ttl(rec) open(rec) return core.fact("ttl") end
function Record.last_update_time(rec) open(rec) return core.fact("lastUpdate") end
function Record.size(rec) open(rec) return core.fact("size") end
function Record.device_size(rec) open(rec) return core.fact("deviceSize") end
function Record.memory_size(rec) open(rec) return 0 end
Record.record_size = Record.size
function Record.setname(rec) open(rec) return core.fact("set") end
function Record.key(rec) open(rec) return core.fact("key") end
function Record.digest(rec) open(rec) return core.bytes_of(core.fact("digest")) end
local function names(content)
  local result, seen = {}, {}
  if not content.removed then
    for _, name in lua.ipairs(core.names()) do
      seen[name] = true
      if content.bins[name] ~= GONE then result[#result + 1] = name end
    end
  end
  for name, value in next, content.bins do
    if value ~= GONE and not seen[name] then result[#result + 1] = name end
  end
  return result
end
function Record.numbins(rec) return #names(open(rec)) end
function Record.bin_names(rec) return names(open(rec)) end
function Record.set_ttl(rec, seconds)
  open(rec)
  local whole = type(seconds) == "number" and lua.math.tointeger(seconds)
  if not whole then error("record.set_ttl: seconds are an integer, not " .. tostring(seconds), 2) end
  core.set_ttl(whole)
end
function Record.drop_key(rec) open(rec) core.drop_key() end
env.record, env.Record, core.modules.record = Record, Record, Record

local Aerospike = {}
local function commit(rec, operation)
  local content = open(rec, 2)
  local status = core.commit(operation)
  if status ~= 0 then return status end
  if operation == "remove" then
    content.bins, content.changed, content.removed = {}, {}, true
    return status
  end
  for name in next, content.changed do
    local value = content.bins[name]
    if value == GONE then value = nil end
    core.put(name, value)
  end
  content.changed = {}
  return status
end
function Aerospike:create(rec) return commit(rec, "create") end
function Aerospike:update(rec) return commit(rec, "update") end
function Aerospike:remove(rec) return commit(rec, "remove") end
function Aerospike:exists(rec) open(rec, 2) return core.exists() end
function Aerospike:log(level, text) core.log(level, tostring(text)) end
env.Aerospike, env.aerospike = Aerospike, Aerospike
core.modules.aerospike = Aerospike

-- Streams: a description of what is done with each value. On the server it ends with the first reduce, from which the
-- client goes on.
local Stream, stream_meta, stream_of, make_stream = core.class("Stream")
stream_meta.__index = Stream
local function with(stream, operation)
  local copy = {}
  for index, present in lua.ipairs(stream_of(stream)) do copy[index] = present end
  copy[#copy + 1] = operation
  return make_stream(copy)
end
local function callable(f, what)
  if type(f) ~= "function" then error(what .. ": a function is expected, not " .. type(f), 3) end
  return f
end
function Stream.filter(stream, f) return with(stream, { "filter", f = callable(f, "filter") }) end
function Stream.map(stream, f) return with(stream, { "map", f = callable(f, "map") }) end
function Stream.reduce(stream, f) return with(stream, { "reduce", f = callable(f, "reduce") }) end
function Stream.aggregate(stream, initial, f)
  return with(stream, { "aggregate", f = callable(f, "aggregate"), initial = initial })
end
function Stream.groupby(stream, f) return with(stream, { "groupby", f = callable(f, "groupby") }) end

local function push(operations, from, value)
  for index = from, #operations do
    local operation = operations[index]
    local kind = operation[1]
    if kind == "filter" then
      if not operation.f(value) then return end
    elseif kind == "map" then
      value = operation.f(value)
      if value == nil then return end
    elseif kind == "reduce" then
      if operation.held == nil then operation.held = value else operation.held = operation.f(operation.held, value) end
      return
    elseif kind == "aggregate" then
      operation.held = operation.f(operation.held, value)
      return
    else
      local key = operation.f(value)
      if key == nil then return end
      local group = operation.held[key]
      if group == nil then
        group = env.list()
        operation.held[key] = group
      end
      env.list.append(group, value)
      return
    end
  end
  core.emit(value)
end
-- Runs a stream function: what comes back takes one value, or none to end.
function core.stream(f, ...)
  local stream = f(make_stream({}), ...)
  if getmetatable(stream) ~= stream_meta then error("a stream function returns a stream", 0) end
  local operations = {}
  for index, described in lua.ipairs(stream_of(stream)) do
    operations[index] = { described[1], f = described.f, held = described.initial }
    if described[1] == "groupby" then operations[index].held = env.map() end
    if described[1] == "reduce" then break end
  end
  return function(value)
    if value ~= nil then return push(operations, 1, value) end
    for index, operation in lua.ipairs(operations) do
      local held = operation.held
      operation.held = nil
      if held ~= nil then push(operations, index + 1, held) end
    end
  end
end
`;
