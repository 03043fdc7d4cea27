package io.heddle.nn;

import io.heddle.autograd.Tape;
import io.heddle.op.Attention.Part;
import io.heddle.op.Attention.PartGradients;
import io.heddle.op.Layers;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;

/**
 * The position scores of DeBERTa (He et al. 2021, equation 4, without position-to-position): {@code
 * bias(q, k) = query(q) . positionKey(bucket) + key(k) . positionQuery(bucket)}, where bucket is
 * that of the distance q - k.
 */
public final class Disentangled {
  private static final Params.None NONE = new Params.None();

  private final Tape tape;
  private final Part q;
  private final Part k;
  private final Part positionKey;
  private final Part positionQuery;
  private final int batch;
  private final int dim;
  private final Tensor buckets;

  private Disentangled(
      Tape tape, Part q, Part k, Part positionKey, Part positionQuery, int batch, int dim) {
    this.tape = tape;
    this.q = q;
    this.k = k;
    this.positionKey = positionKey;
    this.positionQuery = positionQuery;
    this.batch = batch;
    this.dim = dim;
    int length = (int) (q.packed().dim(0) / batch);
    this.buckets = ids(length);
  }

  /**
   * The bias of one layer.
   *
   * @param q queries, part of a product [B*T, ..]
   * @param k keys, likewise
   * @param positionKey the keys of the 2 P distance buckets, part of [2P, ..]
   * @param positionQuery their queries
   * @param farthest most positions, the end of the logarithmic buckets
   * @return [B,H,T,T]
   */
  public static Tensor bias(
      Tape t,
      Part q,
      Part k,
      Part positionKey,
      Part positionQuery,
      int batch,
      int dim,
      int farthest) {
    Disentangled d = new Disentangled(t, q, k, positionKey, positionQuery, batch, dim);
    return d.compute(farthest);
  }

  /** The bucket of a distance: its own up to {@code half}, then logarithmic (He et al. 2023). */
  static int bucket(int distance, int span, int farthest) {
    int mid = span / 2;
    int away = Math.abs(distance);
    if (away <= mid || farthest <= 0) {
      return distance;
    }
    double log = Math.log((double) away / mid) / Math.log((farthest - 1.0) / mid) * (mid - 1);
    return Integer.signum(distance) * ((int) Math.ceil((float) log) + mid);
  }

  private Tensor ids(int length) {
    return tape.tensor(DType.I32, (long) batch * q.count() * length * length);
  }

  // Row-major positions of (b,h,i,bucket of i and j) in [B*H*T, 2P]: for queries i is the query,
  // for
  // keys the key.
  private int[] positions(int farthest, boolean ofKeys) {
    int length = (int) (q.packed().dim(0) / batch);
    int wide = (int) positionKey.packed().dim(0);
    int[] out = new int[batch * q.count() * length * length];
    int at = 0;
    for (int head = 0; head < batch * q.count(); head++) {
      for (int i = 0; i < length; i++) {
        for (int j = 0; j < length; j++) {
          int id = Math.clamp(bucket(i - j, wide / 2, farthest) + wide / 2, 0, wide - 1);
          out[at++] = (head * length + (ofKeys ? j : i)) * wide + id;
        }
      }
    }
    return out;
  }

  private Tensor compute(int farthest) {
    int length = (int) (q.packed().dim(0) / batch);
    buckets.copyFrom(positions(farthest, false));
    Tensor ofKeys = ids(length).copyFrom(positions(farthest, true));
    Tensor bias = tape.tensor(q.packed().dtype(), batch, q.count(), length, length);
    gather(scores(q, positionKey), buckets, bias);
    Tensor second = tape.tensor(bias.dtype(), bias.shape());
    gather(scores(k, positionQuery), ofKeys, second);
    tape.run(OpCode.BINARY, new Params.Binary(0, 1, 1), bias, second, bias);
    if (tape.wants(q.packed(), k.packed(), positionKey.packed(), positionQuery.packed())) {
      tape.record(
          () -> {
            Tensor d = tape.gradient(bias);
            if (d != null) {
              PartGradients content = new PartGradients(tape, batch, dim, q, k);
              PartGradients position = new PartGradients(tape, 1, dim, positionKey, positionQuery);
              backward(d, buckets, q, positionKey, content, position);
              backward(d, ofKeys, k, positionQuery, content, position);
              content.give();
              position.give();
            }
          },
          bias,
          second);
    }
    return bias;
  }

  // [B,H,T,2P]: every token with every bucket.
  private Tensor scores(Part content, Part position) {
    Tensor x = contiguous(content.view(batch, dim));
    Tensor p = contiguous(position.view(1, dim)).view(x.dim(1), -1, dim);
    Tensor y = tape.tensor(x.dtype(), batch, x.dim(1), x.dim(2), p.dim(1));
    for (int b = 0; b < batch; b++) {
      tape.backend().matmul(row(x, b), p.transpose(1, 2), null, row(y, b), 1, 0);
    }
    return y;
  }

  private static Tensor row(Tensor x, int b) {
    return x.slice(0, b, b + 1L).view(x.dim(1), x.dim(2), x.dim(3));
  }

  private Tensor contiguous(Tensor x) {
    Tensor y = tape.tensor(x.dtype(), x.shape());
    tape.run(OpCode.COPY, NONE, x, y);
    return y;
  }

  // A gather of single elements is an embedding with one feature.
  private void gather(Tensor from, Tensor ids, Tensor to) {
    tape.run(OpCode.EMBEDDING_FWD, new Params.Embedding(0), from.view(-1, 1), ids, to.view(-1, 1));
  }

  private void backward(
      Tensor d,
      Tensor ids,
      Part content,
      Part position,
      PartGradients contentGradients,
      PartGradients positionGradients) {
    Tensor x = contiguous(content.view(batch, dim));
    Tensor p = contiguous(position.view(1, dim)).view(x.dim(1), -1, dim);
    Tensor ds = tape.tensor(x.dtype(), batch, x.dim(1), x.dim(2), p.dim(1));
    Layers.fill(tape, ds, 0);
    tape.run(OpCode.EMBEDDING_BWD, new Params.Embedding(1), d.view(-1, 1), ids, ds.view(-1, 1));
    Tensor dx = tape.tensor(x.dtype(), x.shape());
    Tensor dp = tape.tensor(x.dtype(), p.shape());
    for (int b = 0; b < batch; b++) {
      tape.backend().matmul(row(ds, b), p, null, row(dx, b), 1, 0);
      tape.backend().matmul(row(ds, b).transpose(1, 2), row(x, b), null, dp, 1, b == 0 ? 0 : 1);
    }
    tape.run(OpCode.COPY, NONE, dx, contentGradients.of(content));
    Tensor into = positionGradients.of(position);
    tape.run(OpCode.COPY, NONE, dp.view(into.shape()), into);
  }
}
