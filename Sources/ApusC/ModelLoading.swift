import ApusFormat
import ApusGraph
import ApusRuntime
public import CApus
import CApusPlatform

/// An `apus_model *`.
final class ModelHandle: Handle, @unchecked Sendable {
  private static let queue = HandleQueue()
  private(set) var loaded: LoadedModel?

  private init() { super.init(kind: .model) }

  /// A new handle with one reference.
  static func make(_ loaded: LoadedModel) -> OpaquePointer {
    let handle: ModelHandle
    if let old = queue.take() {
      handle = unsafeDowncast(old, to: ModelHandle.self)
    } else {
      handle = ModelHandle()
      // Handles stay allocated for ever: see Handle.
      _ = Unmanaged.passRetained(handle)
    }
    handle.loaded = loaded
    handle.revive()
    return handle.pointer
  }

  static func find(_ pointer: OpaquePointer?) throws(ApusError) -> LoadedModel {
    let handle = unsafeDowncast(try Handle.find(pointer, .model), to: ModelHandle.self)
    guard let loaded = handle.loaded else { throw ApusError(.invalidArgument, "this apus_model has been given back") }
    return loaded
  }

  /// Takes a reference away; the last one lets go of the model.
  static func release(_ pointer: OpaquePointer?) {
    guard let handle = try? Handle.find(pointer, .model), handle.release() else { return }
    unsafeDowncast(handle, to: ModelHandle.self).loaded = nil
    queue.put(handle)
  }
}

@c @implementation
public func apus_model_retain(_ model: OpaquePointer?) {
  (try? Handle.find(model, .model))?.retain()
}

@c @implementation
public func apus_model_release(_ model: OpaquePointer?) { ModelHandle.release(model) }

/// What all loading functions have in common: options in, handle out.
private func load(
  _ options: UnsafePointer<apus_load_options>?, _ model: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<apus_error>?, _ source: () throws(ApusError) -> ByteSource
) -> Int32 {
  call(error) { () throws(ApusError) in
    let model = try require(model, "model")
    model.pointee = nil
    let values = try apus_load_options.read(optional: options, "apus_load_options")
    let log = Log(write: values.log, user: values.log_user)
    guard values.quantized_ports <= 1, values.reserved == 0 else {
      throw ApusError(
        .invalidArgument, "quantized_ports is a flag, and reserved is 0", expected: "0 or 1, and 0",
        actual: "\(values.quantized_ports), and \(values.reserved)")
    }
    do throws(ApusError) {
      var load = LoadOptions.library
      load.quantizedPorts = values.quantized_ports == 1
      load.limits = try Limits(values.limits)
      load.memory = try BulkMemory.over(values.allocator, limit: load.limits.memoryBytes)
      load.level = try selectedCPU(values.cpu).level
      let loaded = try withReserve { () throws(ApusError) in
        try LoadedModel(try Model.load(try source(), options: load), log: log)
      }
      model.pointee = ModelHandle.make(loaded)
      log(APUS_LOG_INFO) {
        "model loaded: \(loaded.info.node_count) nodes, \(loaded.info.weight_bytes) bytes of weights, kernels "
          + String(cString: apusp_cpu_level_name(loaded.model.level))
      }
    } catch {
      log(APUS_LOG_ERROR) { "model not loaded: " + error.description }
      throw error
    }
  }
}

/// The caller's path.
/// - Throws: `null_pointer`; `invalid_argument` where it is not UTF-8.
private func pathText(_ path: UnsafePointer<CChar>?) throws(ApusError) -> String {
  guard let text = String(validatingCString: try require(path, "path")) else {
    throw ApusError(.invalidArgument, "the path is not UTF-8")
  }
  return text
}

/// The caller's bytes.
private func buffer(_ bytes: UnsafeRawPointer?, _ size: UInt64) throws(ApusError) -> UnsafeRawBufferPointer {
  guard let bytes else { throw nullPointer("bytes") }
  guard let count = Int(exactly: size) else {
    throw ApusError(.invalidArgument, "no memory is that large", actual: "\(size) bytes")
  }
  return UnsafeRawBufferPointer(start: bytes, count: count)
}

@c @implementation
public func apus_model_load_path(
  _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<apus_load_options>?, _ model: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  load(options, model, error) { () throws(ApusError) in .path(try pathText(path)) }
}

@c @implementation
public func apus_model_load_mapped(
  _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<apus_load_options>?, _ model: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  load(options, model, error) { () throws(ApusError) in .mappedPath(try pathText(path)) }
}

@c @implementation
public func apus_model_load_copy(
  _ bytes: UnsafeRawPointer?, _ size: UInt64, _ options: UnsafePointer<apus_load_options>?,
  _ model: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  load(options, model, error) { () throws(ApusError) in .copied(try buffer(bytes, size)) }
}

@c @implementation
public func apus_model_load_borrowed(
  _ bytes: UnsafeRawPointer?, _ size: UInt64, _ release: apus_release_fn?, _ user: UnsafeMutableRawPointer?,
  _ options: UnsafePointer<apus_load_options>?, _ model: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  // Made first, so that it goes, and calls back, on every way out.
  let holder = Release(release, user, bytes)
  return load(options, model, error) { () throws(ApusError) in
    .memory(BorrowedBytes(try buffer(bytes, size)) { withExtendedLifetime(holder) {} })
  }
}

@c @implementation
public func apus_model_load_fd(
  _ descriptor: Int32, _ offset: UInt64, _ length: UInt64, _ options: UnsafePointer<apus_load_options>?,
  _ model: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  load(options, model, error) { () throws(ApusError) in
    var copy: Int32 = -1
    let status = apusp_file_duplicate(descriptor, &copy, nil)
    guard status == 0 else {
      throw ApusError(
        ApusError.Status(rawValue: status) ?? .inputOutput, "can not duplicate the file descriptor", actual: "\(descriptor)")
    }
    return .fileDescriptor(copy, offset: offset, length: length == 0 ? nil : length, closesWhenDone: true)
  }
}

/// The caller's read callbacks, with the release that goes with them.
private final class ReadCallbacks: @unchecked Sendable {
  let user: UnsafeMutableRawPointer?
  let read: apus_read_fn?
  let readAt: apus_read_at_fn?
  private let release: Release?

  init(user: UnsafeMutableRawPointer?, read: apus_read_fn? = nil, readAt: apus_read_at_fn? = nil, release: Release? = nil) {
    self.user = user
    self.read = read
    self.readAt = readAt
    self.release = release
  }

  /// What a callback returned, as a count.
  func count(_ result: Int64?, _ size: Int) throws(ApusError) -> Int {
    guard let result else { throw nullPointer("the read callback") }
    guard result >= 0, result <= Int64(size) else {
      throw ApusError(
        .inputOutput, "the read callback failed", expected: "0 to \(size) bytes", actual: "\(result)")
    }
    return Int(result)
  }
}

@c @implementation
public func apus_model_load_stream(
  _ read: apus_read_fn?, _ user: UnsafeMutableRawPointer?, _ options: UnsafePointer<apus_load_options>?,
  _ model: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  load(options, model, error) { () throws(ApusError) in
    guard let read else { throw nullPointer("read") }
    let callbacks = ReadCallbacks(user: user, read: read)
    return .reader { (target: UnsafeMutableRawBufferPointer) throws(ApusError) -> Int in
      try callbacks.count(callbacks.read?(callbacks.user, target.baseAddress, UInt64(target.count)), target.count)
    }
  }
}

@c @implementation
public func apus_model_load_positioned(
  _ read_at: apus_read_at_fn?, _ size: UInt64, _ release: apus_release_fn?, _ user: UnsafeMutableRawPointer?,
  _ options: UnsafePointer<apus_load_options>?, _ model: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  let holder = Release(release, user, nil)
  return load(options, model, error) { () throws(ApusError) in
    guard let read_at else { throw nullPointer("read_at") }
    let callbacks = ReadCallbacks(user: user, readAt: read_at, release: holder)
    return .positionedReader(byteCount: size) {
      (offset: UInt64, target: UnsafeMutableRawBufferPointer) throws(ApusError) -> Int in
      try callbacks.count(callbacks.readAt?(callbacks.user, target.baseAddress, UInt64(target.count), offset), target.count)
    }
  }
}
