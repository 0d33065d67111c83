import ApusGraph

/// How often each class was taken for each.
public struct ConfusionMatrix: Sendable {
  public let classes: Int
  /// [true class, predicted class], row-major.
  public private(set) var counts: [Int]
  /// Samples whose true class is among the five with the largest scores.
  public private(set) var rightInFive = 0
  /// Samples whose scores hold no number: they count as wrong, and in no column.
  public private(set) var undecided = 0
  public private(set) var samples = 0

  init(classes: Int) {
    self.classes = classes
    counts = Array(repeating: 0, count: classes * classes)
  }

  /// - Parameters:
  ///   - label: the true class, less than `classes`.
  ///   - scores: one for each class; of equal ones the first is the larger.
  mutating func add(label: Int, scores: ArraySlice<Double>) {
    samples += 1
    guard let predicted = scores.indexOfLargest else {
      undecided += 1
      return
    }
    counts[label * classes + predicted] += 1
    let score = scores[scores.startIndex + label]
    guard !score.isNaN else { return }
    var better = 0
    for (index, other) in scores.enumerated() where other > score || (other == score && index < label) { better += 1 }
    if better < 5 { rightInFive += 1 }
  }

  public func count(of label: Int, as predicted: Int) -> Int { counts[label * classes + predicted] }

  public var right: Int { (0..<classes).reduce(0) { $0 + count(of: $1, as: $1) } }
  /// The part of the samples whose largest score is that of their class.
  public var top1: Double { Double(right) / Double(max(samples, 1)) }
  public var top5: Double { Double(rightInFive) / Double(max(samples, 1)) }

  /// Samples of a class that were decided.
  public func samples(of label: Int) -> Int { (0..<classes).reduce(0) { $0 + count(of: label, as: $1) } }
  /// Samples that were taken for a class.
  public func predictions(of label: Int) -> Int { (0..<classes).reduce(0) { $0 + count(of: $1, as: label) } }
}

extension ArraySlice<Double> {
  /// Where the largest number stands, counted from 0; the first of equal ones; nil where there is none.
  var indexOfLargest: Int? {
    var best: Int?
    for (index, value) in enumerated() where !value.isNaN {
      if let known = best, self[startIndex + known] >= value { continue }
      best = index
    }
    return best
  }
}
