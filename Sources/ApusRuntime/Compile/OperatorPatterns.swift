import ApusGraph

extension GraphPattern {
  /// Operators as PyTorch, TensorFlow, Paddle and Hugging Face exporters write them in parts, larger ones first.
  ///
  /// The operator's kernel computes the same formula in fewer roundings and another order of summation: results differ from
  /// those of the parts by a few units of the last place of the largest term.
  static let operators: [GraphPattern] = [
    GraphPattern(
      """
      M=ReduceMean[-1](x); D=Sub(x,M); V=ReduceMean[-1](Pow(D,2)|Mul(D,D)); R=Sqrt(Add(V,#e));
      Add(Mul(Div(D,R)|Mul(D,Reciprocal(R)|Div(1,R)),s),b)
      """, "LayerNormalization(x,s,b;epsilon=e)"),
    GraphPattern(
      """
      M=ReduceMean[-1](x); D=Sub(x,M); V=ReduceMean[-1](Pow(D,2)|Mul(D,D)); R=Mul(Reciprocal(Sqrt(Add(V,#e))),s);
      Add(Mul(x,R),Sub(b,Mul(M,R)))
      """, "LayerNormalization(x,s,b;epsilon=e)"),
    GraphPattern(
      """
      M=ReduceMean[-1](x); D=Sub(x,M); V=ReduceMean[-1](Pow(D,2)|Mul(D,D)); R=Sqrt(Add(V,#e));
      Mul(Div(D,R)|Mul(D,Reciprocal(R)|Div(1,R)),s)
      """, "LayerNormalization(x,s;epsilon=e)"),
    GraphPattern(
      """
      R=Sqrt(Add(ReduceMean[-1](Pow(x,2)|Mul(x,x)),#e)); Mul(Div(x,R)|Mul(x,Reciprocal(R)|Div(1,R)),s)
      """, "RMSNormalization(x,s;epsilon=e)"),
    GraphPattern(
      "Mul(x,0.5,Add(Erf(Div(x,1.41421356)|Mul(x,0.70710678)),1))", "Gelu(x)"),
    GraphPattern(
      """
      I=Mul(0.79788456,Add(x,Mul(0.044715,Pow(x,3))|Mul(0.044715,x,x,x)));
      J=Mul(0.79788456,x,Add(1,Mul(0.044715,Pow(x,2))|Mul(0.044715,x,x)));
      Mul(x,0.5,Add(Tanh(I|J),1))
      """, "Gelu(x;approximate=tanh)"),
    GraphPattern("Mul(x,Sigmoid(x))", "Swish(x)"),
    GraphPattern("Mul(x,Sigmoid(Mul(x,#a)))", "Swish(x;alpha=a)"),
    GraphPattern("Mul(x,Tanh(Softplus(x)))", "Mish(x)"),
    GraphPattern(
      """
      C=Clip(Add(x,3),0,6); Mul(x,0.16666667,C)|Div(Mul(x,C),6)|Mul(x,Div(C,6))|Mul(x,HardSigmoid[0.16666667,0.5](x))
      """, "HardSwish(x)"),
    GraphPattern(
      "C=Clip(Add(x,3),0,6); Mul(C,0.16666667)|Div(C,6)", "HardSigmoid(x;alpha=0.16666667,beta=0.5)"),
  ]
}
