/// Which operators a registry has. Operators come in two packs: `core`, what inference needs, and `extras`.
public enum OperatorPack: Sendable {
  case core
  /// Both packs.
  case full
  /// The operators of certain models: a libapus built with OPS=.
  case selection
  /// What the caller listed.
  case custom

  public var name: StaticString {
    switch self {
    case .core: "core"
    case .full: "full"
    case .selection: "selection"
    case .custom: "custom"
    }
  }

  /// The operators of the pack `extras` by name: a build without them still knows what to advise.
  package static let extras: [StaticString] = [
    "RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer",
  ]

  /// What to do about an operator that is missing, to be added to the message that says so.
  func advice(_ domain: Name, _ name: Name) -> String {
    switch self {
    case .core:
      guard domain == .machineLearning || domain == .previewTraining || OperatorPack.extras.contains(where: { name.is($0) })
      else { return "" }
      return ": it belongs to the pack 'extras', which libapus-full has; libapus has it if it is built with OPS= of this model"
        + " (in Swift: LoadOptions.full)"
    case .selection: return ": it was built with OPS= of other models, and this one belongs to that list, too"
    case .full, .custom: return ""
    }
  }
}
