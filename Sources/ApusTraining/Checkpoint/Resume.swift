import ApusGraph
import ApusSafetensors

extension Trainer {
  /// Saves the module and everything that training needs to go on exactly: the optimizer's slots and steps, the position, the
  /// state of the random generators and of the callbacks. In one step: a reader sees the old file or the whole new one.
  ///
  /// May be called between batches, from a callback, or after `fit`.
  ///
  /// - Parameter export: traces the module, so that the checkpoint can be converted.
  public func save(to path: String, export: Export? = nil) throws(ApusError) {
    var slots: [SafetensorsTensor] = []
    for (slot, tensors) in optimizer.slots {
      for ((name, _), tensor) in zip(optimizer.parameters, tensors) {
        slots.append(
          SafetensorsTensor(name: Self.slotName(slot, name), floats: tensor.values, dimensions: tensor.shape))
      }
    }
    try Checkpoint.write(module, export: export, in: context, further: slots, training: trainingState, to: path)
  }

  /// Takes over what `save` wrote, all or nothing. The next `fit` goes on from there and checks that its settings are the same.
  ///
  /// - Throws: `malformed`, `unknownName`, `shapeMismatch` or `typeMismatch` where the checkpoint is not of this module and
  ///   optimizer or was saved without training, and what reading throws.
  public func resume(from path: String) throws(ApusError) {
    let file = try Checkpoint.open(path)
    do throws(ApusError) {
      guard let text = file.metadataValue(Checkpoint.Key.training) else {
        throw ApusError(.malformed, "the checkpoint was saved without the state of training")
      }
      let state = try SavedTraining(JSONValue(parsing: text))
      let values = try Checkpoint.read(module, from: file)
      var slots: [(tensor: Tensor, values: [Float])] = []
      for (slot, tensors) in optimizer.slots {
        for ((name, _), tensor) in zip(optimizer.parameters, tensors) {
          let values = try Checkpoint.values(of: Self.slotName(slot, name), shape: tensor.shape, in: file)
          slots.append((tensor, values))
        }
      }
      try Self.compare(saved: state.settings, with: settings)
      for (tensor, values) in values + slots { try tensor.assign(values) }
      position = state.position
      sums = state.sums
      optimizer.stepCount = state.optimizerSteps
      context.generator = state.generator
      callbackStates = state.callbacks
      resumed = state.settings
    } catch {
      throw error.inFile(path)
    }
  }

  /// Compares the settings of this `fit` with those of the checkpoint that was resumed, and gives callbacks their state back.
  func checkResumed(_ callbacks: [any Callback]) throws(ApusError) {
    guard let resumed else { return }
    try Self.compare(saved: resumed, with: settings)
    for callback in callbacks {
      guard let name = callback.state?.name, let saved = callbackStates.first(where: { $0.name == name }) else { continue }
      try callback.restore(saved.state)
    }
    self.resumed = nil
  }

  private static func slotName(_ slot: String, _ parameter: String) -> String { "apus.optimizer.\(slot).\(parameter)" }

  /// What must be the same for resumed training to be what uninterrupted training is. Batches are known once `fit` was called.
  private var settings: [(name: String, value: String)] {
    let fixed = optimizer.settings + [("schedule", schedule.description), ("seed", "\(seed)")]
    return batchSize == 0 ? fixed : fixed + [("batch_size", "\(batchSize)"), ("examples", "\(exampleCount)")]
  }

  private static func compare(
    saved: [(name: String, value: String)], with own: [(name: String, value: String)]
  ) throws(ApusError) {
    for (name, value) in own {
      guard let former = saved.first(where: { $0.name == name }), former.value != value else { continue }
      throw ApusError(
        .invalidArgument, "the checkpoint was trained with other settings", expected: "\(name) \(former.value)",
        actual: "\(name) \(value)")
    }
  }

  private var trainingState: JSONValue {
    SavedTraining(
      position: position, sums: sums, optimizerSteps: optimizer.stepCount, generator: context.generator,
      settings: resumed ?? settings,
      callbacks: resumed == nil ? callbacks.compactMap(\.state).map { ($0.name, $0.values) } : callbackStates
    ).json
  }
}

/// The value of `apus.training`. Numbers of 64 bits without a sign and floating-point sums are strings, which keep every bit.
private struct SavedTraining {
  var position: TrainingPosition
  var sums: EvaluationSums
  var optimizerSteps: Int
  var generator: RandomGenerator
  var settings: [(name: String, value: String)]
  var callbacks: [(name: String, state: [(name: String, value: String)])]

  init(
    position: TrainingPosition, sums: EvaluationSums, optimizerSteps: Int, generator: RandomGenerator,
    settings: [(name: String, value: String)], callbacks: [(name: String, state: [(name: String, value: String)])]
  ) {
    self.position = position
    self.sums = sums
    self.optimizerSteps = optimizerSteps
    self.generator = generator
    self.settings = settings
    self.callbacks = callbacks
  }

  var json: JSONValue {
    [
      "epoch": JSONValue(position.epoch), "batch": JSONValue(position.batch), "step": JSONValue(position.step),
      "optimizer_steps": JSONValue(optimizerSteps),
      "sums": [
        "loss": .string("\(sums.loss)"), "correct": JSONValue(sums.correct), "classified": JSONValue(sums.classified),
        "examples": JSONValue(sums.examples),
      ],
      "generator": [
        "seed": .string("\(generator.seed)"), "stream": .string("\(generator.stream.number)"),
        "position": .string("\(generator.position)"),
      ],
      "settings": Self.pairs(settings), "callbacks": .object(callbacks.map { JSONMember($0.name, Self.pairs($0.state)) }),
    ]
  }

  init(_ json: JSONValue) throws(ApusError) {
    position = TrainingPosition(
      epoch: try Self.count(json, "epoch"), batch: try Self.count(json, "batch"), step: try Self.count(json, "step"))
    optimizerSteps = try Self.count(json, "optimizer_steps")
    let saved = json["sums"] ?? .null
    guard let loss = saved["loss"]?.stringValue.flatMap({ Double($0) }) else { throw Self.error("sums") }
    sums = EvaluationSums(
      loss: loss, correct: try Self.count(saved, "correct"), classified: try Self.count(saved, "classified"),
      examples: try Self.count(saved, "examples"))
    let random = json["generator"] ?? .null
    generator = RandomGenerator(
      seed: try Self.number(random, "seed"), stream: RandomGenerator.Stream(try Self.number(random, "stream")),
      position: try Self.number(random, "position"))
    settings = try Self.pairs(json["settings"], "settings")
    guard let members = json["callbacks"]?.objectValue else { throw Self.error("callbacks") }
    callbacks = []
    for member in members { callbacks.append((member.key, try Self.pairs(member.value, "callbacks"))) }
  }

  private static func pairs(_ values: [(name: String, value: String)]) -> JSONValue {
    .object(values.map { JSONMember($0.name, .string($0.value)) })
  }

  private static func pairs(_ json: JSONValue?, _ key: String) throws(ApusError) -> [(name: String, value: String)] {
    var pairs: [(name: String, value: String)] = []
    guard let members = json?.objectValue else { throw error(key) }
    for member in members {
      guard let value = member.value.stringValue else { throw error(key) }
      pairs.append((member.key, value))
    }
    return pairs
  }

  private static func count(_ json: JSONValue, _ key: String) throws(ApusError) -> Int {
    guard let value = json[key]?.integerValue, value >= 0, let count = Int(exactly: value), count < 1 << 48 else {
      throw error(key)
    }
    return count
  }

  private static func number(_ json: JSONValue, _ key: String) throws(ApusError) -> UInt64 {
    guard let value = json[key]?.stringValue.flatMap({ UInt64($0) }) else { throw error(key) }
    return value
  }

  private static func error(_ key: String) -> ApusError {
    ApusError(.malformed, "the checkpoint's state of training can not be read: '\(key)'")
  }
}
