import ApusGraph
import Glibc

extension Operator {
  /// LSTM (Hochreiter and Schmidhuber 1997; with forget gates, Gers et al. 2000) over X [T, N, F], as ONNX defines it:
  ///
  /// i, o, f = sigmoid(x W' + h R' + Wb + Rb), g = tanh(the same), c = f * c + i * g, h = o * tanh(c), with W [D, 4H, F],
  /// R [D, 4H, H], B [D, 8H] (optional), their rows in the order i, o, f, g. Inputs 5 and 6 are the first h and c [D, N, H]
  /// (optional, zero). D is 2 with direction "bidirectional", else 1. Outputs Y [T, D, N, H], Y_h and Y_c [D, N, H].
  ///
  /// Sequence lengths, peepholes, clipping and other activations are refused.
  static let lstm = Operator("LSTM", 22) { (call) throws(ApusError) in
    let sizes = try LSTMSizes(call)
    let (steps, batch, hidden) = (sizes.steps, sizes.batch, sizes.hidden)
    let (rows, gateWidth) = (steps * batch, 4 * hidden)
    let y = call.allocate(rows * sizes.directions * hidden)
    let lastH = call.allocate(sizes.directions * batch * hidden)
    let lastC = call.allocate(sizes.directions * batch * hidden)
    for direction in 0..<sizes.directions {
      let gates = call.allocate(rows * gateWidth)
      let cells = call.allocate(rows * hidden)
      sizes.fillWithBias(call, direction, gates.pointer)
      call.context.multiply(
        m: rows, n: gateWidth, k: sizes.features, call.input(0).pointer, call.input(1).pointer + direction * sizes.inputWeights,
        transposeB: true, beta: 1, gates.pointer)
      let state = lastH.pointer + direction * batch * hidden
      let cell = lastC.pointer + direction * batch * hidden
      sizes.setInitial(call, input: 5, direction, state)
      sizes.setInitial(call, input: 6, direction, cell)
      for t in sizes.order(direction) {
        let z = gates.pointer + t * batch * gateWidth
        call.context.multiply(
          m: batch, n: gateWidth, k: hidden, state, call.input(2).pointer + direction * sizes.stateWeights, transposeB: true,
          beta: 1, z)
        let memory = cells.pointer + t * batch * hidden
        for n in 0..<batch {
          let gate = z + n * gateWidth
          for j in 0..<hidden {
            let i = logistic(gate[j])
            let o = logistic(gate[hidden + j])
            let f = logistic(gate[2 * hidden + j])
            let g = tanhf(gate[3 * hidden + j])
            (gate[j], gate[hidden + j], gate[2 * hidden + j], gate[3 * hidden + j]) = (i, o, f, g)
            let c = f * cell[n * hidden + j] + i * g
            cell[n * hidden + j] = c
            memory[n * hidden + j] = c
            state[n * hidden + j] = o * tanhf(c)
          }
        }
        sizes.output(y.pointer, t, direction).update(from: state, count: batch * hidden)
      }
      call.saved += [gates, cells]
    }
    call.saved.append(y)
    let final = [sizes.directions, batch, hidden]
    return [
      Output(shape: [steps, sizes.directions, batch, hidden], storage: y), Output(shape: final, storage: lastH),
      Output(shape: final, storage: lastC),
    ]
  } backward: { call in
    guard let sizes = try? LSTMSizes(call) else { return [] }
    let (steps, batch, hidden, features) = (sizes.steps, sizes.batch, sizes.hidden, sizes.features)
    let (rows, gateWidth) = (steps * batch, 4 * sizes.hidden)
    let y = call.saved[2 * sizes.directions].pointer
    var results = [Storage?](repeating: nil, count: 7)
    for input in 0..<7 where call.wantsGradient(input) { results[input] = call.allocate(call.input(input).count) }

    for direction in 0..<sizes.directions {
      let gates = call.saved[2 * direction].pointer
      let cells = call.saved[2 * direction + 1].pointer
      let recurrent = call.input(2).pointer + direction * sizes.stateWeights
      let byGates = call.allocate(rows * gateWidth)
      // The h and c that each step started from.
      let formerH = call.allocate(rows * hidden)
      let formerC = call.allocate(rows * hidden)
      sizes.formerStates(call, direction, y: y, cells: cells, h: formerH.pointer, c: formerC.pointer)
      let dh = call.allocate(batch * hidden, filledWith: 0)
      let dc = call.allocate(batch * hidden, filledWith: 0)
      let offset = direction * batch * hidden
      if let last = call.outputGradients[1] { dh.pointer.update(from: last.pointer + offset, count: batch * hidden) }
      if let last = call.outputGradients[2] { dc.pointer.update(from: last.pointer + offset, count: batch * hidden) }
      for t in sizes.order(direction).reversed() {
        let byY = call.outputGradients[0].map { sizes.output($0.pointer, t, direction) }
        for n in 0..<batch {
          let gate = gates + (t * batch + n) * gateWidth
          let d = byGates.pointer + (t * batch + n) * gateWidth
          for j in 0..<hidden {
            let at = n * hidden + j
            let (i, o, f, g) = (gate[j], gate[hidden + j], gate[2 * hidden + j], gate[3 * hidden + j])
            let byH = dh.pointer[at] + (byY.map { $0[at] } ?? 0)
            let tanhC = tanhf(cells[t * batch * hidden + at])
            let byC = dc.pointer[at] + byH * o * (1 - tanhC * tanhC)
            d[j] = byC * g * i * (1 - i)
            d[hidden + j] = byH * tanhC * o * (1 - o)
            d[2 * hidden + j] = byC * formerC.pointer[t * batch * hidden + at] * f * (1 - f)
            d[3 * hidden + j] = byC * i * (1 - g * g)
            dc.pointer[at] = byC * f
          }
        }
        call.context.multiply(
          m: batch, n: hidden, k: gateWidth, byGates.pointer + t * batch * gateWidth, recurrent, beta: 0, dh.pointer)
      }
      if let byX = results[0] {
        call.context.multiply(
          m: rows, n: features, k: gateWidth, byGates.pointer, call.input(1).pointer + direction * sizes.inputWeights,
          beta: direction == 0 ? 0 : 1, byX.pointer)
      }
      if let byW = results[1] {
        call.context.multiply(
          m: gateWidth, n: features, k: rows, byGates.pointer, transposeA: true, call.input(0).pointer, beta: 0,
          byW.pointer + direction * sizes.inputWeights)
      }
      if let byR = results[2] {
        call.context.multiply(
          m: gateWidth, n: hidden, k: rows, byGates.pointer, transposeA: true, formerH.pointer, beta: 0,
          byR.pointer + direction * sizes.stateWeights)
      }
      if let byB = results[3] {
        let target = byB.pointer + direction * 2 * gateWidth
        target.update(repeating: 0, count: gateWidth)
        addRows(byGates.pointer, rows: rows, columns: gateWidth, to: target)
        (target + gateWidth).update(from: target, count: gateWidth)
      }
      if let byH = results[5] { (byH.pointer + offset).update(from: dh.pointer, count: batch * hidden) }
      if let byC = results[6] { (byC.pointer + offset).update(from: dc.pointer, count: batch * hidden) }
    }
    return results
  }
}

/// The extents of an LSTM and where its parts are.
private struct LSTMSizes: Sendable {
  let steps: Int, batch: Int, features: Int, hidden: Int, directions: Int
  private let isReverse: Bool

  var inputWeights: Int { 4 * hidden * features }
  var stateWeights: Int { 4 * hidden * hidden }

  init(_ call: Application) throws(ApusError) {
    let input = try call.tensor(0)
    guard input.rank == 3 else {
      throw ApusError(.shapeMismatch, "a sequence is needed", expected: "[T, N, F]", actual: "\(input.shape)")
    }
    hidden = call.int("hidden_size", default: 0)
    let direction = call.string("direction", default: "forward")
    guard hidden > 0, [Name("forward"), "reverse", "bidirectional"].contains(direction) else {
      throw ApusError(.invalidAttribute, "hidden_size or direction is not valid")
    }
    isReverse = direction == "reverse"
    directions = direction == "bidirectional" ? 2 : 1
    (steps, batch, features) = (input.shape[0], input.shape[1], input.shape[2])
    let expected: [(Int, [Int])] = [
      (1, [directions, 4 * hidden, features]), (2, [directions, 4 * hidden, hidden]), (3, [directions, 8 * hidden]),
      (5, [directions, batch, hidden]), (6, [directions, batch, hidden]),
    ]
    for (index, shape) in expected {
      guard let tensor = index < 3 ? try call.tensor(index) : call.optionalTensor(index) else { continue }
      guard tensor.shape == shape else {
        throw ApusError(.shapeMismatch, "input \(index) does not fit", expected: "\(shape)", actual: "\(tensor.shape)")
      }
    }
    guard call.optionalTensor(4) == nil, call.integers(4) == nil, call.optionalTensor(7) == nil,
      call.int("layout", default: 0) == 0
    else { throw ApusError(.unsupported, "training knows no sequence lengths, peepholes or layout 1") }
  }

  /// The steps in the order in which a direction sees them.
  func order(_ direction: Int) -> [Int] {
    isReverse || direction == 1 ? Array((0..<steps).reversed()) : Array(0..<steps)
  }

  /// The [N, H] of a direction at step t in Y [T, D, N, H].
  func output(_ y: UnsafeMutablePointer<Float>, _ t: Int, _ direction: Int) -> UnsafeMutablePointer<Float> {
    y + (t * directions + direction) * batch * hidden
  }

  func setInitial(_ call: Application, input: Int, _ direction: Int, _ target: UnsafeMutablePointer<Float>) {
    if let initial = call.optionalTensor(input) {
      target.update(from: initial.storage.pointer + direction * batch * hidden, count: batch * hidden)
    } else {
      target.update(repeating: 0, count: batch * hidden)
    }
  }

  /// Sets each row of [T * N, 4H] to Wb + Rb.
  func fillWithBias(_ call: Application, _ direction: Int, _ gates: UnsafeMutablePointer<Float>) {
    guard let bias = call.optionalTensor(3)?.storage.pointer else {
      gates.update(repeating: 0, count: steps * batch * 4 * hidden)
      return
    }
    let first = bias + direction * 8 * hidden
    for row in 0..<steps * batch {
      for j in 0..<4 * hidden { gates[row * 4 * hidden + j] = first[j] + first[4 * hidden + j] }
    }
  }

  /// Collects the h and c [T, N, H] that each step of a direction started from.
  func formerStates(
    _ call: Application, _ direction: Int, y: UnsafeMutablePointer<Float>, cells: UnsafePointer<Float>,
    h: UnsafeMutablePointer<Float>, c: UnsafeMutablePointer<Float>
  ) {
    var former: Int?
    for t in order(direction) {
      let place = t * batch * hidden
      if let former {
        (h + place).update(from: output(y, former, direction), count: batch * hidden)
        (c + place).update(from: cells + former * batch * hidden, count: batch * hidden)
      } else {
        setInitial(call, input: 5, direction, h + place)
        setInitial(call, input: 6, direction, c + place)
      }
      former = t
    }
  }
}
