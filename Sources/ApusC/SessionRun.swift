import ApusGraph
import ApusRuntime
public import CApus

@c @implementation
public func apus_session_prepare(
  _ session: OpaquePointer?, _ shapes: UnsafePointer<apus_shape>?, _ count: UInt32,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(session, error) { (bound: BoundSession) throws(ApusError) in
    bound.profile = nil
    // Whatever the outcome, the session has let go of buffers that no longer fit.
    defer { releaseUnbound(bound) }
    // Shapes seen again make no object, and need no reserve.
    if let shapes, try bound.session.prepareAgain({ areEqual($0, shapes, count) }) { return }
    try withReserve { () throws(ApusError) in
      try bound.session.prepare(try inputShapes(bound.loaded.model, shapes, count))
    }
    bound.loaded.log(APUS_LOG_DEBUG) { "session prepared: arena of \(bound.session.arenaBytes) bytes" }
  }
}

private func areEqual(_ known: [[Int]], _ shapes: UnsafePointer<apus_shape>, _ count: UInt32) -> Bool {
  guard known.count == Int(count) else { return false }
  for (index, extents) in known.enumerated() {
    guard extents.count == Int(shapes[index].rank) else { return false }
    guard !extents.isEmpty else { continue }
    guard let wanted = shapes[index].extents else { return false }
    for (axis, extent) in extents.enumerated() where wanted[axis] != Int64(extent) { return false }
  }
  return true
}

private func releaseUnbound(_ bound: BoundSession) {
  for index in bound.inputReleases.indices where !bound.session.isInputBound(index) { bound.inputReleases[index] = nil }
  for index in bound.outputReleases.indices where !bound.session.isOutputBound(index) { bound.outputReleases[index] = nil }
}

@c @implementation
public func apus_session_inspect(
  _ session: OpaquePointer?, _ info: UnsafeMutablePointer<apus_session_info>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(session, error) { (bound: BoundSession) throws(ApusError) in
    let info = try require(info, "info")
    let session = bound.session
    var value = apus_session_info()
    value.is_prepared = session.isPrepared ? 1 : 0
    value.is_allocation_free = bound.session.isPlanned ? 1 : 0
    value.arena_bytes = session.arenaBytes
    value.step_count = UInt64(session.stepCount)
    value.threads = UInt32(clamping: session.threads)
    value.cpu_level = session.model.level
    try apus_session_info.write(value, to: info, "apus_session_info")
  }
}

@c @implementation
public func apus_session_run(
  _ session: OpaquePointer?, _ options: UnsafePointer<apus_run_options>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(session, error) { (bound: BoundSession) throws(ApusError) in
    let values = try apus_run_options.read(optional: options, "apus_run_options")
    bound.profile = nil
    try bound.session.run(timeout: values.timeout == 0 ? nil : values.timeout)
  }
}

@c @implementation
public func apus_session_reset(_ session: OpaquePointer?, _ error: UnsafeMutablePointer<apus_error>?) -> Int32 {
  call(session, error) { (bound: BoundSession) throws(ApusError) in try bound.session.reset() }
}

/// The profile of a run with its names as C strings.
final class CProfile {
  let entries: [apus_profile_entry]
  /// Holds what the entries point to.
  private let text: CText

  convenience init(_ session: Session) throws(ApusError) {
    var builder = CTextBuilder()
    let profile = session.profile
    let places = profile.map { (builder.add($0.label), builder.add($0.operatorName)) }
    self.init(profile, places, try CText(builder, memory: session.model.memory))
  }

  private init(_ profile: [Session.ProfileEntry], _ places: [(Int, Int)], _ text: CText) {
    self.text = text
    var entries: [apus_profile_entry] = []
    for (entry, place) in zip(profile, places) {
      entries.append(
        apus_profile_entry(
          struct_size: 0, node: text.string(place.0), operator_kind: text.string(place.1), nanoseconds: entry.nanoseconds,
          step_count: UInt32(clamping: entry.steps), reserved: 0))
    }
    self.entries = entries
  }
}

/// The profile of the last run; empty where the session does not measure.
private func profile(_ bound: BoundSession) throws(ApusError) -> [apus_profile_entry] {
  if let profile = bound.profile { return profile.entries }
  let made = try CProfile(bound.session)
  bound.profile = made
  return made.entries
}

@c @implementation
public func apus_session_profile_count(
  _ session: OpaquePointer?, _ count: UnsafeMutablePointer<UInt32>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(session, error) { (bound: BoundSession) throws(ApusError) in
    let count = try require(count, "count")
    count.pointee = UInt32(clamping: try profile(bound).count)
  }
}

@c @implementation
public func apus_session_profile(
  _ session: OpaquePointer?, _ index: UInt32, _ entry: UnsafeMutablePointer<apus_profile_entry>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(session, error) { (bound: BoundSession) throws(ApusError) in
    let entry = try require(entry, "entry")
    let entries = try profile(bound)
    let value = entries[try checkedIndex(index, below: entries.count, "profile entry")]
    try apus_profile_entry.write(value, to: entry, "apus_profile_entry")
  }
}
