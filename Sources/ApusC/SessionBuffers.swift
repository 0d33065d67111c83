import ApusGraph
import ApusRuntime
public import CApus

/// An index of the header as the runtime's, which says what is wrong with it.
private func position(_ index: UInt32) -> Int { Int(index) }

@c @implementation
public func apus_session_input_size(
  _ session: OpaquePointer?, _ index: UInt32, _ size: UnsafeMutablePointer<UInt64>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(session, error) { (bound: BoundSession) throws(ApusError) in
    let size = try require(size, "size")
    size.pointee = UInt64(clamping: try bound.session.inputByteCount(position(index)))
  }
}

@c @implementation
public func apus_session_output_size(
  _ session: OpaquePointer?, _ index: UInt32, _ size: UnsafeMutablePointer<UInt64>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(session, error) { (bound: BoundSession) throws(ApusError) in
    let size = try require(size, "size")
    size.pointee = UInt64(clamping: try bound.session.outputByteCount(position(index)))
  }
}

@c @implementation
public func apus_session_output_shape(
  _ session: OpaquePointer?, _ index: UInt32, _ extents: UnsafeMutablePointer<Int64>?, _ capacity: UInt32,
  _ rank: UnsafeMutablePointer<UInt32>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(session, error) { (bound: BoundSession) throws(ApusError) in
    let rank = try require(rank, "rank")
    let shape = try bound.session.outputShape(position(index))
    rank.pointee = UInt32(clamping: shape.count)
    guard shape.count <= Int(capacity) else {
      throw ApusError(
        .bufferTooSmall, "the output has more axes than there is room for", expected: "room for \(shape.count)",
        actual: "\(capacity)")
    }
    guard !shape.isEmpty else { return }
    let extents = try require(extents, "extents")
    for (axis, extent) in shape.enumerated() { extents[axis] = Int64(extent) }
  }
}

@c @implementation
public func apus_session_bind_input(
  _ session: OpaquePointer?, _ index: UInt32, _ data: UnsafeRawPointer?, _ size: UInt64, _ release: apus_release_fn?,
  _ user: UnsafeMutableRawPointer?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  // Made first, so that it goes, and calls back, on every way out but the last line.
  let holder = Release(release, user, data)
  return call(session, error) { (bound: BoundSession) throws(ApusError) in
    guard let data else { throw nullPointer("data") }
    try bound.session.bindInput(position(index), data, byteCount: Int(clamping: size))
    bound.inputReleases[position(index)] = holder
  }
}

@c @implementation
public func apus_session_bind_output(
  _ session: OpaquePointer?, _ index: UInt32, _ data: UnsafeMutableRawPointer?, _ capacity: UInt64, _ release: apus_release_fn?,
  _ user: UnsafeMutableRawPointer?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  let holder = Release(release, user, UnsafeRawPointer(data))
  return call(session, error) { (bound: BoundSession) throws(ApusError) in
    guard let data else { throw nullPointer("data") }
    try bound.session.bindOutput(position(index), data, capacity: Int(clamping: capacity))
    bound.outputReleases[position(index)] = holder
  }
}

@c @implementation
public func apus_session_unbind_input(
  _ session: OpaquePointer?, _ index: UInt32, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(session, error) { (bound: BoundSession) throws(ApusError) in
    try bound.session.unbindInput(position(index))
    bound.inputReleases[position(index)] = nil
  }
}

@c @implementation
public func apus_session_unbind_output(
  _ session: OpaquePointer?, _ index: UInt32, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(session, error) { (bound: BoundSession) throws(ApusError) in
    try bound.session.unbindOutput(position(index))
    bound.outputReleases[position(index)] = nil
  }
}

@c @implementation
public func apus_session_input_buffer(
  _ session: OpaquePointer?, _ index: UInt32, _ data: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
  _ size: UnsafeMutablePointer<UInt64>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(session, error) { (bound: BoundSession) throws(ApusError) in
    let data = try require(data, "data")
    let buffer = try bound.session.inputBuffer(position(index))
    data.pointee = buffer.baseAddress
    size?.pointee = UInt64(buffer.count)
  }
}

@c @implementation
public func apus_session_output_buffer(
  _ session: OpaquePointer?, _ index: UInt32, _ data: UnsafeMutablePointer<UnsafeRawPointer?>?,
  _ size: UnsafeMutablePointer<UInt64>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(session, error) { (bound: BoundSession) throws(ApusError) in
    let data = try require(data, "data")
    let buffer = try bound.session.outputBuffer(position(index))
    data.pointee = buffer.baseAddress
    size?.pointee = UInt64(buffer.count)
  }
}
