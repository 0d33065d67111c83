import ApusGraph

/// A part of a network: a function of a tensor, with parameters, buffers and further modules as stored properties.
///
/// The names of the properties make the names of the parameters: `features.0.weight` is the tensor `weight` of element 0 of
/// the `Sequential` stored in `features`. A stored `Tensor` that requires a gradient is a parameter; one that does not is a
/// buffer: saved, but not trained.
public protocol Module: AnyObject {
  func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor

  /// Tensors and modules that are part of this one, in a fixed order. Found by reflection over the stored properties unless
  /// a type gives its own.
  var members: [(name: String, member: ModuleMember)] { get }
}

public enum ModuleMember {
  case tensor(Tensor)
  case module(any Module)
}

extension Module {
  public var members: [(name: String, member: ModuleMember)] {
    var members: [(name: String, member: ModuleMember)] = []
    var mirror: Mirror? = Mirror(reflecting: self)
    var levels: [Mirror] = []
    while let level = mirror {
      levels.append(level)
      mirror = level.superclassMirror
    }
    for level in levels.reversed() {
      for case (let label?, let value) in level.children {
        if let tensor = value as? Tensor {
          members.append((label, .tensor(tensor)))
        } else if let module = value as? any Module {
          members.append((label, .module(module)))
        } else if let modules = value as? [any Module] {
          for (index, module) in modules.enumerated() { members.append(("\(label).\(index)", .module(module))) }
        }
      }
    }
    return members
  }

  /// Every tensor of this module and the modules in it, by path, in the order of declaration.
  public var namedTensors: [(name: String, tensor: Tensor)] {
    var found: [(name: String, tensor: Tensor)] = []
    for (name, member) in members {
      switch member {
      case .tensor(let tensor): found.append((name, tensor))
      case .module(let module): found += module.namedTensors.map { (name + "." + $0.name, $0.tensor) }
      }
    }
    return found
  }

  /// This module under the empty path and every module in it.
  public var namedModules: [(name: String, module: any Module)] {
    var found: [(name: String, module: any Module)] = [("", self)]
    for case (let name, .module(let module)) in members {
      found += module.namedModules.map { ($0.name.isEmpty ? name : name + "." + $0.name, $0.module) }
    }
    return found
  }

  /// The tensors that training changes.
  public var parameters: [(name: String, tensor: Tensor)] { namedTensors.filter(\.tensor.requiresGradient) }

  /// The number of trained elements.
  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.tensor.count } }
}

/// Modules one after another, named "0", "1", ... or as given.
public final class Sequential: Module {
  private let layers: [(name: String, module: any Module)]

  public init(_ layers: any Module...) {
    self.layers = layers.enumerated().map { ("\($0.offset)", $0.element) }
  }

  public init(_ layers: [any Module]) {
    self.layers = layers.enumerated().map { ("\($0.offset)", $0.element) }
  }

  public init(named layers: [(name: String, module: any Module)]) { self.layers = layers }

  public var members: [(name: String, member: ModuleMember)] { layers.map { ($0.name, .module($0.module)) } }

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    var value = input
    for (_, layer) in layers { value = try layer(value) }
    return value
  }
}

/// `activation(body(x) + shortcut(x))`; without a shortcut x itself is added (He et al. 2016).
public final class Residual: Module {
  private let body: any Module
  private let shortcut: (any Module)?
  private let activation: (any Module)?

  public init(_ body: any Module, shortcut: (any Module)? = nil, activation: (any Module)? = ReLU()) {
    self.body = body
    self.shortcut = shortcut
    self.activation = activation
  }

  public func callAsFunction(_ input: Tensor) throws(ApusError) -> Tensor {
    let added = try shortcut?(input) ?? input
    let sum = try body(input) + added
    return try activation?(sum) ?? sum
  }
}
