import Glibc

/// The learning rate as a function of the step alone, so that resumed training goes on as it would have.
public enum LearningRateSchedule: Equatable, Sendable {
  case constant(Float)
  /// `rate`, multiplied by `factor` after each `every` epochs.
  case stepped(rate: Float, factor: Float, every: Int)
  /// From `rate` to `final` along half a cosine over all steps, after a straight rise from 0 over the first `warmup` steps
  /// (Loshchilov and Hutter 2017).
  case cosine(rate: Float, final: Float = 0, warmup: Int = 0)

  /// The rate of step `step` (from 0) of `steps` in epoch `epoch` (from 0).
  public func rate(step: Int, of steps: Int, epoch: Int) -> Float {
    switch self {
    case .constant(let rate): return rate
    case .stepped(let rate, let factor, let every):
      return Float(Double(rate) * pow(Double(factor), Double(epoch / max(every, 1))))
    case .cosine(let rate, let final, let warmup):
      if step < warmup { return rate * Float(step + 1) / Float(warmup) }
      let progress = Double(step - warmup) / Double(max(steps - warmup, 1))
      return Float(Double(final) + Double(rate - final) * 0.5 * (1 + cos(Double.pi * min(progress, 1))))
    }
  }

  var description: String {
    switch self {
    case .constant(let rate): "constant \(rate)"
    case .stepped(let rate, let factor, let every): "stepped \(rate) \(factor) \(every)"
    case .cosine(let rate, let final, let warmup): "cosine \(rate) \(final) \(warmup)"
    }
  }
}
