import ApusGraph

extension Operator {
  /// Dropout: in training each element is 0 with probability `ratio`, the others are divided by 1 - ratio
  /// (Srivastava et al. 2014); otherwise the identity.
  ///
  /// ONNX gives ratio and training_mode as optional inputs. Here the ratio is an attribute of training alone and the mode is the
  /// context's; a trace, which never trains, records neither.
  static let dropout = Operator("Dropout", 22, trainingAttributes: ["ratio"]) { (call) throws(ApusError) in
    let input = try call.tensor(0)
    let ratio = call.float("ratio", default: 0)
    guard call.context.isTraining, ratio > 0 else { return [Output(shape: input.shape, storage: input.storage)] }
    let output = call.allocate(input.count)
    let mask = call.allocate(input.count)
    let (x, y, m) = (input.storage.pointer, output.pointer, mask.pointer)
    let generator = call.context.generator
    // Wrapping: the position may come from a checkpoint.
    let firstBlock = (generator.position &+ 3) / 4
    // Each four elements have a block of random words of their own, whatever thread makes it.
    let blocks = (input.count + 3) / 4
    call.context.generator.position = (firstBlock &+ UInt64(blocks)) &* 4
    let keep = 1 / (1 - ratio)
    let count = input.count
    call.context.pool.forEachRange(of: blocks, grain: 1024) { range in
      for block in range {
        let words = generator.block(at: firstBlock &+ UInt64(block))
        for lane in 0..<min(4, count - block * 4) {
          let i = block * 4 + lane
          m[i] = RandomGenerator.uniform(words[lane]) < ratio ? 0 : keep
          y[i] = x[i] * m[i]
        }
      }
    }
    call.saved = [mask]
    return [Output(shape: input.shape, storage: output)]
  } backward: { call in
    guard call.wantsGradient(0), let gradient = call.outputGradients[0] else { return [nil] }
    guard let mask = call.saved.first else { return [gradient] }
    let result = call.allocate(gradient.count)
    let (g, m, d) = (gradient.pointer, mask.pointer, result.pointer)
    call.context.pool.forEachRange(of: gradient.count, grain: Context.elementwiseGrain) { range in
      for i in range { d[i] = g[i] * m[i] }
    }
    return [result]
  }
}
