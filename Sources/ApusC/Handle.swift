import ApusGraph
import CApusPlatform
import Synchronization

/// What an `apus_model *`, `apus_pool *` or `apus_session *` points to.
///
/// Handles are never freed: a dead one goes to the end of a queue of its kind and is used again only after many others. So a
/// handle that was given back is recognized (its count of references is 0), at the price of a few hundred bytes each for
/// the largest number of handles that were alive at a time.
class Handle: @unchecked Sendable {
  enum Kind: UInt8 {
    case model, pool, session

    var name: StaticString {
      switch self {
      case .model: "apus_model"
      case .pool: "apus_pool"
      case .session: "apus_session"
      }
    }
  }

  let kind: Kind
  /// 0: dead.
  private let references = Atomic<Int>(0)

  init(kind: Kind) { self.kind = kind }

  final var isAlive: Bool { references.load(ordering: .acquiring) > 0 }

  final func revive() { references.store(1, ordering: .releasing) }

  /// Adds a reference, unless the handle is dead.
  final func retain() {
    var count = references.load(ordering: .relaxed)
    while count > 0, count < Int.max {
      let (exchanged, original) = references.compareExchange(expected: count, desired: count + 1, ordering: .relaxed)
      if exchanged { return }
      count = original
    }
  }

  /// Takes a reference away, unless the handle is dead. Returns whether it was the last one.
  final func release() -> Bool {
    var count = references.load(ordering: .relaxed)
    while count > 0 {
      let (exchanged, original) = references.compareExchange(
        expected: count, desired: count - 1, ordering: .acquiringAndReleasing)
      if exchanged { return count == 1 }
      count = original
    }
    return false
  }

  final var pointer: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

  /// The handle of this kind that a caller's pointer stands for.
  /// - Throws: `null_pointer`; `invalid_argument` where it is dead or of another kind.
  static func find(_ pointer: OpaquePointer?, _ kind: Kind) throws(ApusError) -> Handle {
    guard let pointer else { throw nullPointer(kind.name) }
    // Sound for every pointer that Apus gave out: handles stay allocated for ever.
    let handle = Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
    guard handle.kind == kind else {
      throw ApusError(
        .invalidArgument, "the handle is of another kind", expected: kind.name.text, actual: handle.kind.name.text)
    }
    guard handle.isAlive else {
      throw ApusError(.invalidArgument, "this " + kind.name.text + " has been given back")
    }
    return handle
  }
}

/// The dead handles of one kind, oldest first.
final class HandleQueue: @unchecked Sendable {
  /// A dead handle is used again only when more than this many wait.
  private static let shortest = 256

  private let mutex: OpaquePointer?
  private var handles: [Handle] = []
  private var first = 0

  init() { mutex = apusp_mutex_create() }

  /// A handle to use again; nil: make a new one.
  func take() -> Handle? {
    guard let mutex else { return nil }
    apusp_mutex_lock(mutex)
    defer { apusp_mutex_unlock(mutex) }
    guard handles.count - first > HandleQueue.shortest else { return nil }
    let handle = handles[first]
    first += 1
    if first > handles.count / 2 {
      handles.removeFirst(first)
      first = 0
    }
    return handle
  }

  func put(_ handle: Handle) {
    guard let mutex else { return }
    apusp_mutex_lock(mutex)
    defer { apusp_mutex_unlock(mutex) }
    handles.append(handle)
  }
}
