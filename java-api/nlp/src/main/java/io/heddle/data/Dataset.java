package io.heddle.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.function.IntFunction;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/**
 * Samples by index. Transforms are lazy: {@link #map} runs at every {@link #get}, {@link #held}
 * keeps the results.
 *
 * @param <T> a sample
 */
public interface Dataset<T> {
  /** Number of samples. */
  int size();

  /**
   * A sample.
   *
   * @throws IndexOutOfBoundsException naming index and size
   */
  T get(int index);

  /** The elements of a list, which is not copied. */
  static <T> Dataset<T> of(List<? extends T> samples) {
    return of(samples.size(), samples::get);
  }

  /** Samples made on demand. */
  static <T> Dataset<T> of(int size, IntFunction<? extends T> sample) {
    return new Dataset<>() {
      @Override
      public int size() {
        return size;
      }

      @Override
      public T get(int index) {
        if (index < 0 || index >= size) {
          throw new IndexOutOfBoundsException("sample " + index + " of " + size);
        }
        return sample.apply(index);
      }
    };
  }

  /** One data set after the other. */
  static <T> Dataset<T> concat(List<? extends Dataset<? extends T>> parts) {
    int[] ends = new int[parts.size()];
    int total = 0;
    for (int i = 0; i < ends.length; i++) {
      total = Math.addExact(total, parts.get(i).size());
      ends[i] = total;
    }
    return of(
        total,
        index -> {
          int part = 0;
          while (ends[part] <= index) {
            part++;
          }
          return parts.get(part).get(index - (part == 0 ? 0 : ends[part - 1]));
        });
  }

  /** Every sample changed by {@code f}, when it is asked for. */
  default <R> Dataset<R> map(Function<? super T, ? extends R> f) {
    return of(size(), index -> f.apply(get(index)));
  }

  /** All samples, now, in memory. */
  default Dataset<T> held() {
    return of(toList());
  }

  /** All samples. */
  default List<T> toList() {
    List<T> out = new ArrayList<>(size());
    for (int i = 0; i < size(); i++) {
      out.add(get(i));
    }
    return out;
  }

  /** The samples that {@code wanted} accepts; each is looked at once, now. */
  default Dataset<T> filter(Predicate<? super T> wanted) {
    return sampled(IntStream.range(0, size()).filter(i -> wanted.test(get(i))).toArray());
  }

  /** The first {@code count} samples, or all if there are fewer. */
  default Dataset<T> take(int count) {
    return of(Math.clamp(count, 0, size()), this::get);
  }

  /** The samples with these indices, in their order, repetitions among them. */
  default Dataset<T> sampled(int[] indices) {
    int[] copy = indices.clone();
    return of(copy.length, i -> get(copy[i]));
  }

  /** One of {@code parts} contiguous parts; the first ones have one more if it does not divide. */
  default Dataset<T> shard(int parts, int part) {
    return sampled(Samplers.part(size(), parts, part, false, false, 0, 0));
  }

  /** The batches of an epoch of {@code sampler}, made when they are asked for. */
  default <B> Dataset<B> batches(BatchSampler sampler, long epoch, Batchify<? super T, B> rule) {
    return Dataset.<int[]>of(sampler.epoch(epoch))
        .map(indices -> rule.of(Arrays.stream(indices).<T>mapToObj(this::get).toList()));
  }

  /** The samples one after the other. */
  default DataStream<T> stream() {
    return () -> {
      int[] at = {0};
      return () -> at[0] < size() ? get(at[0]++) : null;
    };
  }

  /**
   * The same, made by up to {@code ahead} threads at once ahead of the reader: a loader, where the
   * samples are {@link #batches}. {@link #get} must be safe for that.
   */
  default DataStream<T> stream(int ahead) {
    return DataStream.<Integer>of(() -> IntStream.range(0, size()).iterator())
        .mapAhead(this::get, ahead);
  }
}
