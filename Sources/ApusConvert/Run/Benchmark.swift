import Apus
import ApusFormat
import ApusGraph
import ApusRuntime
import ApusSafetensors
import Foundation

/// Measures the time and the memory of a model.
public struct Benchmark {
  public struct Options: Sendable {
    /// Shapes of inputs by name; those left out take their smallest allowed extents.
    public var shapes: [Name: [Int]] = [:]
    public var threads = [1]
    /// How long to measure for each number of threads.
    public var seconds = 2.0

    public init() {}
  }

  /// The result for one number of threads. Times are nanoseconds of one run.
  public struct Measurement: Sendable {
    public let threads: Int
    public let runs: Int
    public let minimum: Double
    public let median: Double
    /// 99 of 100 runs took no longer.
    public let p99: Double
    public let mean: Double
    public let memory: MemoryRequirements
    public let profile: Profile
  }

  public let path: String
  public let model: Model
  public let cost: ModelCost
  /// Nanoseconds that reading, verifying and compiling the file took.
  public let loadTime: Double
  /// Nanoseconds of the first `prepare`, which packs the weights.
  public let prepareTime: Double
  public let measurements: [Measurement]
  /// The largest resident set of this process so far, in bytes.
  public let peakResidentBytes: UInt64

  /// Runs end after this many however short they are: times are kept for the median.
  private static let maximumRuns = 1_000_000

  /// - Parameter progress: called with the number of threads and the part of the time that has gone.
  /// - Throws: what loading and running throw.
  public init(path: String, options: Options, progress: (Int, Double) -> Void = { _, _ in }) throws(ApusError) {
    self.path = path
    let began = Self.now()
    model = try Model.load(.path(path), options: .full)
    loadTime = Double(Self.now() - began)
    guard let shapes = try model.definition.inputShapes(options.shapes) else {
      throw ApusError(.shapeMismatch, "the shape of an input is open: give it with --shape name=1,28,28", file: path)
    }
    do throws(ApusError) {
      cost = try model.cost(inputShapes: shapes)
      let prepareBegan = Self.now()
      try Session(model: model).prepare(shapes)
      prepareTime = Double(Self.now() - prepareBegan)
      var measurements: [Measurement] = []
      for threads in options.threads {
        measurements.append(
          try Self.measure(model, shapes, cost, threads: threads, seconds: options.seconds) { progress(threads, $0) })
      }
      self.measurements = measurements
    } catch { throw error.inFile(path) }
    peakResidentBytes = Self.peakResidentSet()
  }

  /// - Parameter progress: called with the part of the time that has gone.
  static func measure(
    _ model: Model, _ shapes: [[Int]], _ cost: ModelCost, threads: Int, seconds: Double, progress: (Double) -> Void
  ) throws(ApusError) -> Measurement {
    let pool = threads == 1 ? nil : try ThreadPool(threads: threads, memory: model.memory)
    var options = SessionOptions()
    options.pool = pool
    let session = try Session(model: model, options: options)
    try session.prepare(shapes)
    try fillInputs(session, model)
    // The first runs touch every page and wake the threads.
    for _ in 0..<3 { try session.run() }
    var times: [UInt64] = []
    let began = now()
    let limit = UInt64(seconds * 1e9)
    var told: UInt64 = 0
    while times.isEmpty || (now() - began < limit && times.count < maximumRuns) {
      let start = now()
      try session.run()
      let end = now()
      times.append(end - start)
      if end - told > 100_000_000 {
        told = end
        progress(Double(end - began) / Double(max(limit, 1)))
      }
    }
    times.sort()
    options.profiles = true
    let profiled = try Session(model: model, options: options)
    try profiled.prepare(shapes)
    try fillInputs(profiled, model)
    var profiles: [[Session.ProfileEntry]] = []
    for _ in 0..<max(1, min(times.count, 100)) {
      try profiled.run()
      profiles.append(profiled.profile)
    }
    return Measurement(
      threads: threads, runs: times.count, minimum: Double(times[0]), median: Double(times[times.count / 2]),
      p99: Double(times[min(times.count - 1, times.count * 99 / 100)]),
      mean: Double(times.reduce(0, +)) / Double(times.count),
      memory: try model.memoryRequirements(shapes: shapes, threads: threads),
      profile: Profile(profiles, program: profiled.program, cost: cost))
  }

  /// Floats of a fixed pseudo-random sequence in [-1, 1); zeros for other types, which may be indices.
  private static func fillInputs(_ session: Session, _ model: Model) throws(ApusError) {
    for (index, port) in model.inputs.enumerated() where port.state == nil {
      let buffer = try session.inputBuffer(index)
      guard port.elementType == .float32 else {
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        continue
      }
      var state: UInt64 = 1
      for offset in stride(from: 0, to: buffer.count, by: 4) {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        buffer.storeBytes(of: Float(Int32(truncatingIfNeeded: state >> 32)) / 0x1p31, toByteOffset: offset, as: Float.self)
      }
    }
  }

  private static func now() -> UInt64 { DispatchTime.now().uptimeNanoseconds }

  private static func peakResidentSet() -> UInt64 {
    var usage = rusage()
    guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
    return UInt64(usage.ru_maxrss) * 1024
  }
}

extension Benchmark {
  /// The report for people.
  public var text: String { text(explains: false) }

  /// The report with what was planned for each node (`Profile.explanation`) instead of its time alone.
  public func text(explains: Bool) -> String {
    let inputs = zip(model.inputs, cost.inputShapes).map { port, shape in
      port.name.string + " " + Shape(shape).text(symbols: [])
    }
    var text = "\(path)\n  \(inputs.joined(separator: ", ")): \(Quantity.operations(cost.operations)) a run\n"
    text += "  load \(Quantity.duration(nanoseconds: loadTime)), prepare \(Quantity.duration(nanoseconds: prepareTime))\n\n"
    var table = TextTable(
      .init(title: "threads", alignment: .right), .init(title: "runs", alignment: .right),
      .init(title: "min", alignment: .right), .init(title: "median", alignment: .right),
      .init(title: "p99", alignment: .right), .init(title: "GFLOP/s", alignment: .right),
      .init(title: "arena, scratch", alignment: .right), .init(title: "packed weights", alignment: .right))
    table.rows = measurements.map {
      [
        "\($0.threads)", Quantity.count($0.runs), Quantity.duration(nanoseconds: $0.minimum),
        Quantity.duration(nanoseconds: $0.median), Quantity.duration(nanoseconds: $0.p99),
        Quantity.gigaflops(cost.operations, nanoseconds: $0.minimum),
        Quantity.bytes($0.memory.arenaBytes + $0.memory.scratchBytes), Quantity.bytes($0.memory.packedBytes),
      ]
    }
    text += table.text()
    text += "  peak resident set of the process: \(Quantity.bytes(peakResidentBytes))\n"
    for measurement in measurements {
      text += "\nprofile, \(measurement.threads) thread\(measurement.threads == 1 ? "" : "s")\n"
      text += explains ? measurement.profile.explanation : measurement.profile.text
    }
    let floats = FloatNodes(model.program)
    return explains && !floats.lines.isEmpty ? text + "\n" + floats.text : text
  }

  /// The document that Sources/modelconv/JSON.md describes under `apus.bench`.
  public var json: JSONValue {
    [
      "format": "apus.bench", "version": 1, "file": .string(path),
      "shapes": .object(
        zip(model.inputs, cost.inputShapes).map { JSONMember($0.name.string, ModelJSON.extents($1)) }),
      "flops": JSONValue(cost.operations), "load_nanoseconds": .float(loadTime), "prepare_nanoseconds": .float(prepareTime),
      "peak_resident_bytes": JSONValue(peakResidentBytes), "floats": FloatNodes(model.program).json,
      "measurements": .array(
        measurements.map {
          [
            "threads": JSONValue($0.threads), "runs": JSONValue($0.runs), "minimum_nanoseconds": .float($0.minimum),
            "median_nanoseconds": .float($0.median), "p99_nanoseconds": .float($0.p99), "mean_nanoseconds": .float($0.mean),
            "arena_bytes": JSONValue($0.memory.arenaBytes),
            "scratch_bytes": JSONValue($0.memory.scratchBytes), "control_bytes": JSONValue($0.memory.controlBytes),
            "packed_bytes": JSONValue($0.memory.packedBytes), "constant_bytes": JSONValue($0.memory.constantBytes),
            "port_bytes": JSONValue($0.memory.portBytes), "profile": $0.profile.json,
          ]
        }),
    ]
  }
}
