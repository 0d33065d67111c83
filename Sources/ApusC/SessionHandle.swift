import ApusGraph
import ApusRuntime
public import CApus
import Synchronization

/// What an `apus_session *` stands for: the session, and what goes with its bound buffers.
final class BoundSession {
  let loaded: LoadedModel
  let session: Session
  var inputReleases: [Release?]
  var outputReleases: [Release?]
  /// The profile of the last run as C reads it, made when it is first asked for.
  var profile: CProfile?

  init(_ loaded: LoadedModel, _ session: Session) {
    self.loaded = loaded
    self.session = session
    inputReleases = [Release?](repeating: nil, count: loaded.inputs.count)
    outputReleases = [Release?](repeating: nil, count: loaded.outputs.count)
  }
}

/// An `apus_session *`.
final class SessionHandle: Handle, @unchecked Sendable {
  private static let queue = HandleQueue()
  private(set) var bound: BoundSession?
  /// Whether a call is under way.
  private let isTaken = Atomic<Bool>(false)

  private init() { super.init(kind: .session) }

  static func make(_ bound: BoundSession) -> OpaquePointer {
    let handle: SessionHandle
    if let old = queue.take() {
      handle = unsafeDowncast(old, to: SessionHandle.self)
    } else {
      handle = SessionHandle()
      // Handles stay allocated for ever: see Handle.
      _ = Unmanaged.passRetained(handle)
    }
    handle.bound = bound
    handle.isTaken.store(false, ordering: .relaxed)
    handle.revive()
    return handle.pointer
  }

  static func find(_ pointer: OpaquePointer?) throws(ApusError) -> SessionHandle {
    unsafeDowncast(try Handle.find(pointer, .session), to: SessionHandle.self)
  }

  func required() throws(ApusError) -> BoundSession {
    guard let bound else { throw ApusError(.invalidArgument, "this apus_session has been given back") }
    return bound
  }

  /// Starts a call that belongs to the session's one caller.
  func take() throws(ApusError) {
    guard isTaken.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged else {
      throw ApusError(.busy, "another call on this session is under way")
    }
  }

  func giveBack() { isTaken.store(false, ordering: .releasing) }

  /// Ends the session. The caller has taken it.
  func end() {
    guard release() else { return }
    bound = nil
    SessionHandle.queue.put(self)
  }
}

/// A function of the session's one caller: finds the session, keeps others out, runs `body`.
func call(
  _ session: OpaquePointer?, _ error: UnsafeMutablePointer<apus_error>?,
  _ body: (BoundSession) throws(ApusError) -> Void
) -> Int32 {
  call(error) { () throws(ApusError) in
    let handle = try SessionHandle.find(session)
    try handle.take()
    defer { handle.giveBack() }
    try body(try handle.required())
  }
}

@c @implementation
public func apus_session_create(
  _ model: OpaquePointer?, _ options: UnsafePointer<apus_session_options>?, _ session: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in
    let session = try require(session, "session")
    session.pointee = nil
    let loaded = try ModelHandle.find(model)
    let values = try apus_session_options.read(optional: options, "apus_session_options")
    guard values.profile <= 1 else {
      throw ApusError(.invalidArgument, "profile is a flag", expected: "0 or 1", actual: "\(values.profile)")
    }
    var chosen = SessionOptions()
    if let pool = values.pool { chosen.pool = try PoolHandle.find(pool) }
    chosen.profiles = values.profile == 1
    chosen.progress = values.progress
    chosen.progressUser = values.progress_user
    session.pointee = SessionHandle.make(BoundSession(loaded, try Session(model: loaded.model, options: chosen)))
  }
}

@c @implementation
public func apus_session_destroy(_ session: OpaquePointer?, _ error: UnsafeMutablePointer<apus_error>?) -> Int32 {
  call(error) { () throws(ApusError) in
    guard let session else { return }
    let handle = try SessionHandle.find(session)
    try handle.take()
    handle.end()
  }
}

@c @implementation
public func apus_session_cancel(
  _ session: OpaquePointer?, _ was_running: UnsafeMutablePointer<UInt32>?, _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in
    let wasRunning = try SessionHandle.find(session).required().session.cancel()
    was_running?.pointee = wasRunning ? 1 : 0
  }
}
