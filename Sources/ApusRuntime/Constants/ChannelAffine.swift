import ApusGraph

/// `y = x factor + shift` with one factor and one shift a channel, in double precision.
struct ChannelAffine {
  var factors: [Double]
  var shifts: [Double]

  init(factors: [Double], shifts: [Double]) {
    self.factors = factors
    self.shifts = shifts
  }

  /// Batch normalization: `factor = gamma / sqrt(var + epsilon)`, `shift = beta - mean factor`.
  /// - Parameter statistics: gamma, beta, mean and variance, `[C]` each.
  init(_ statistics: [TensorID], epsilon: Float, _ constants: ConstantStore) throws(ApusError) {
    let lists = try statistics.map { id throws(ApusError) in try constants.floats(id) }
    for list in lists where list.count != lists[0].count {
      throw ApusError(.shapeMismatch, "statistics differ in size", expected: "\(lists[0].count)", actual: "\(list.count)")
    }
    (factors, shifts) = ([], [])
    for channel in lists[0].indices {
      let factor = Double(lists[0][channel]) / (Double(lists[3][channel]) + Double(epsilon)).squareRoot()
      factors.append(factor)
      shifts.append(Double(lists[1][channel]) - Double(lists[2][channel]) * factor)
    }
  }

  /// This map and then another one.
  func followed(by other: ChannelAffine) -> ChannelAffine {
    ChannelAffine(
      factors: zip(factors, other.factors).map { $0 * $1 },
      shifts: shifts.indices.map { shifts[$0] * other.factors[$0] + other.shifts[$0] })
  }
}

extension ConstantStore {
  /// The factors and shifts as tensors `[C]`, rounded once.
  func add(_ map: ChannelAffine) throws(ApusError) -> (scale: TensorID, shift: TensorID) {
    let scale = try add(map.factors.map { Float($0) }, dimensions: [map.factors.count], name: "scale")
    return (scale, try add(map.shifts.map { Float($0) }, dimensions: [map.shifts.count], name: "shift"))
  }

  private func bias(_ bias: TensorID?, channels: Int, _ weights: TensorID) throws(ApusError) -> [Float] {
    guard let bias else { return Array(repeating: 0, count: channels) }
    let values = try floats(bias)
    guard values.count == channels else {
      throw ApusError(
        .shapeMismatch, "bias and output channels differ", tensorName: tensors[Int(weights)].name.string,
        expected: "\(channels)", actual: "\(values.count)")
    }
    return values
  }

  /// The weights and bias of a convolution with the map of its result moved into them.
  /// - Parameters:
  ///   - weights: `[M, ...]`, of a transposed convolution `[C, M/group, ...]`; the result has its shape.
  ///   - bias: `[M]`, or nil for zeros.
  ///   - transposedGroups: the groups of a transposed convolution; nil for another one.
  func folded(
    weights: TensorID, bias: TensorID?, then map: ChannelAffine, transposedGroups: Int? = nil
  ) throws(ApusError) -> (weights: TensorID, bias: TensorID) {
    let tensor = tensors[Int(weights)]
    // Rows of weights that make one output channel.
    var rows = tensor.dimensions.first ?? 0
    var channels = rows
    let inputsPerGroup = transposedGroups.map { max(rows / max($0, 1), 1) } ?? 1
    let filters = transposedGroups == nil || tensor.dimensions.count < 2 ? 1 : tensor.dimensions[1]
    if let transposedGroups {
      rows = try rows.checkedMultiplied(by: filters)
      channels = try filters.checkedMultiplied(by: transposedGroups)
    }
    let oldBias = try self.bias(bias, channels: channels, weights)
    guard map.factors.count == channels else {
      throw ApusError(
        .shapeMismatch, "statistics and output channels differ", tensorName: tensor.name.string, expected: "\(channels)",
        actual: "\(map.factors.count)")
    }
    func channel(_ row: Int) -> Int {
      transposedGroups == nil ? row : row / filters / inputsPerGroup * filters + row % filters
    }
    let id = try scaled(weights, rows: rows, channel: channel) { map.factors[$0] }
    let newBias = (0..<channels).map { Float(Double(oldBias[$0]) * map.factors[$0] + map.shifts[$0]) }
    return (id, try add(newBias, dimensions: [channels], name: tensor.name))
  }

  /// The same with the map of its operand, which holds for the operand's padding too where all shifts are 0.
  /// - Parameter weights: `[M, C/group, ...]`.
  func folded(
    first map: ChannelAffine, weights: TensorID, bias: TensorID?, groups: Int
  ) throws(ApusError) -> (weights: TensorID, bias: TensorID) {
    let tensor = tensors[Int(weights)]
    let (outputs, inputs) = (tensor.dimensions[0], tensor.dimensions[1])
    let oldBias = try self.bias(bias, channels: outputs, weights)
    func channel(_ row: Int) -> Int { row / inputs / max(outputs / max(groups, 1), 1) * inputs + row % inputs }
    let rows = try outputs.checkedMultiplied(by: inputs)
    let id = try scaled(weights, rows: rows, channel: channel) { map.factors[$0] }
    var sums = oldBias.map { Double($0) }
    let source = try bytes(weights)
    let perRow = rows == 0 ? 0 : source.count / 4 / rows
    for row in 0..<rows {
      for index in row * perRow..<(row + 1) * perRow {
        sums[row / inputs] +=
          Double(source.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)) * map.shifts[channel(row)]
      }
    }
    return (id, try add(sums.map { Float($0) }, dimensions: [outputs], name: tensor.name))
  }

  /// A tensor whose rows are multiplied by the factors of their channels.
  private func scaled(
    _ id: TensorID, rows: Int, channel: (Int) -> Int, by factor: (Int) -> Double
  ) throws(ApusError) -> TensorID {
    let tensor = tensors[Int(id)]
    let source = try bytes(id)
    let perRow = rows == 0 ? 0 : source.count / 4 / rows
    let result = try add(byteCount: source.count, .float32, dimensions: tensor.dimensions, name: tensor.name)
    for row in 0..<rows {
      let number = factor(channel(row))
      for index in row * perRow..<(row + 1) * perRow {
        let weight = source.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
        result.target.storeBytes(of: Float(Double(weight) * number), toByteOffset: 4 * index, as: Float.self)
      }
    }
    return result.id
  }
}
