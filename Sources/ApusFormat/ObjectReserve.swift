import ApusGraph
import CApusPlatform

/// Memory set aside for the objects that work on a model makes: an object that finds no memory ends the process, so what
/// they can need is asked for before, where the answer can be no. In force in libapus; elsewhere it does nothing.
package enum ObjectReserve {
  /// What loading or preparing a model allocates in objects and arrays, at most: measured are 20 to 32 times the bytes of
  /// its graph and metadata sections (tools/link-tests prints the sums for three models).
  static func bytes(_ header: FileHeader) -> UInt64 {
    (64 << 10) + 32 * (UInt64(header.graph.rawSize) + UInt64(header.metadata.rawSize))
  }

  /// - Returns: what `end` has to be given when the work is done.
  /// - Throws: 300.
  package static func begin(_ bytes: UInt64) throws(ApusError) -> UInt64 {
    guard apusp_reserve_begin(bytes) == 0 else {
      throw ApusError(
        .outOfMemory, "the system has no memory to reserve for the model's objects", expected: "\(bytes) bytes")
    }
    return bytes
  }

  package static func end(_ bytes: UInt64) { apusp_reserve_end(bytes) }
}

extension ModelFile {
  /// For the work of compiling or preparing this model. A model made in memory has made its objects already; the reserve
  /// that is always there is for the rest.
  package var objectBytes: UInt64 { header.map { ObjectReserve.bytes($0) } ?? 0 }
}
