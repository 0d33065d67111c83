import ApusGraph

/// Where tensors are computed: the threads, the memory kept for reuse, and what is recorded on the way.
///
/// Tensors know the context they were made in, and results belong to the context of their operands. One caller at a time.
public final class Context {
  public let pool: ComputePool

  /// Layers that behave differently in training (Dropout, BatchNorm) look here.
  public var isTraining = false

  /// Whether operators keep what gradients need. Without it a forward pass frees each intermediate result at once.
  public var recordsGradients = false

  /// Source of dropout masks.
  public var generator: RandomGenerator

  let buffers = BufferCache()
  /// Where a trace writes the nodes it sees; nil but while a module is being traced.
  var recorder: TraceRecorder?
  private var applications: UInt64 = 0

  /// - Parameters:
  ///   - threads: 0 means one for each CPU that this process may use.
  ///   - seed: of the dropout masks.
  public init(threads: Int = 0, seed: UInt64 = 0) throws(ApusError) {
    pool = try ComputePool(threads: threads)
    generator = RandomGenerator(seed: seed, stream: .dropout)
    // OpenBLAS chooses its kernels before any other thread can use it.
    _ = BLAS.core
  }

  /// Name of OpenBLAS's kernels in use, for reports.
  public var matrixKernels: String { BLAS.core }

  /// Runs `body` with the given modes and puts the former ones back.
  public func with<Result, Failure: Error>(
    training: Bool, gradients: Bool, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let former = (isTraining, recordsGradients)
    isTraining = training
    recordsGradients = gradients
    defer { (isTraining, recordsGradients) = former }
    return try body()
  }

  func nextSequenceNumber() -> UInt64 {
    applications += 1
    return applications
  }
}
