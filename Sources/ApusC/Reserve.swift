import ApusGraph
import CApusPlatform

/// Address space for the Swift objects of one load or prepare: some tens of thousands of nodes. Costs no physical memory until
/// the system has none left.
private let reserveBytes: UInt64 = 64 << 20

/// Runs work that makes objects in proportion to a graph, with memory for them set aside: in libapus they do not end the process
/// where the system has no memory for them.
/// - Throws: `out_of_memory`, before the work begins; what `body` throws.
func withReserve<Result>(_ body: () throws(ApusError) -> Result) throws(ApusError) -> Result {
  guard apusp_reserve_begin(reserveBytes) == 0 else {
    throw ApusError(.outOfMemory, "no memory for the model's objects", expected: "\(reserveBytes) bytes of address space")
  }
  defer { apusp_reserve_end(reserveBytes) }
  return try body()
}
