package io.heddle.checkpoint.merge;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.FloatCodec;
import io.heddle.checkpoint.StorageType;
import io.heddle.checkpoint.merge.Alignment.Extra;
import io.heddle.checkpoint.merge.Operands.Place;
import io.heddle.checkpoint.merge.TensorPlan.Input;
import io.heddle.checkpoint.merge.TensorPlan.Work;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Makes a plan from the headers of the models. */
final class Planner {
  private static final int NO_MODEL = -1;

  private final Merge merge;
  private final List<Checkpoint> models = new ArrayList<>();
  private final int base;
  private final int firstSource;
  private final Operands operands;
  private final List<TensorPlan> tensors = new ArrayList<>();

  Planner(Merge merge) {
    this.merge = merge;
    Checkpoint given = merge.base();
    if (given != null) {
      models.add(given);
    }
    base = given == null ? NO_MODEL : 0;
    firstSource = models.size();
    merge.sources().forEach(source -> models.add(source.model()));
    operands = new Operands(models, merge.alignment());
  }

  MergePlan plan() throws IOException {
    if (merge.sources().isEmpty()) {
      throw new IllegalArgumentException("nothing to merge: add a source");
    }
    if (merge.slices().isEmpty()) {
      whole();
    } else {
      slices();
    }
    return new MergePlan(merge, List.copyOf(models), List.copyOf(tensors), operands.report());
  }

  private void whole() throws IOException {
    Checkpoint reference = models.getFirst();
    int layers = LayerNames.layers(reference.names());
    List<Use> uses = new ArrayList<>();
    for (int i = 0; i < merge.sources().size(); i++) {
      uses.add(new Use(firstSource + i, List.of(merge.sources().get(i).settings())));
    }
    Set<String> names = new LinkedHashSet<>(reference.names());
    for (Use use : uses) {
      Checkpoint model = models.get(use.model);
      for (String name : model.names()) {
        if (names.contains(name)) {
          continue;
        }
        if (operands.find(0, name) != null) { // a head that the reference has tied
          names.add(name);
          continue;
        }
        if (merge.alignment().extra() == Extra.ERROR) {
          throw new IllegalArgumentException(
              reference
                  + " has no tensor "
                  + Operands.quote(name)
                  + ", which "
                  + model
                  + " has; the policies 'drop' and 'copy' for extra tensors allow that");
        }
        boolean copy = merge.alignment().extra() == Extra.COPY;
        operands.note(
            model + ": extra tensor " + Operands.quote(name) + (copy ? " copied" : " left out"));
        if (copy && tensors.stream().noneMatch(t -> t.name().equals(name))) {
          copy(name, new Place(use.model, model.entry(name)), Work.COPY);
        }
      }
    }
    for (String name : names) {
      Place own = operands.find(0, name, null, reference);
      tensor(name, name, own, uses, LayerNames.position(name, layers), List.of(), i -> name);
    }
  }

  /** A source in its place: the model, and where its settings are looked up, nearest first. */
  private record Use(int model, List<Map<String, Setting>> settings) {}

  /** The name that a tensor has in a source. */
  private interface NameIn {
    String of(int source);
  }

  private void slices() throws IOException {
    int layers = 0;
    for (Merge.Slice slice : merge.slices()) {
      layers += slice.sources().getFirst().to() - slice.sources().getFirst().from();
    }
    outside(merge.slices().getFirst(), true, layers);
    int next = 0;
    for (Merge.Slice slice : merge.slices()) {
      Merge.SliceSource first = slice.sources().getFirst();
      for (int j = 0; j < first.to() - first.from(); j++, next++) {
        layer(slice, j, next, layers);
      }
    }
    outside(merge.slices().getLast(), false, layers);
  }

  private List<Use> uses(Merge.Slice slice) {
    return slice.sources().stream()
        .map(
            s ->
                new Use(
                    firstSource + s.source(),
                    List.of(
                        s.settings(),
                        slice.settings(),
                        merge.sources().get(s.source()).settings())))
        .toList();
  }

  private void outside(Merge.Slice slice, boolean before, int layers) throws IOException {
    List<Use> uses = uses(slice);
    Checkpoint reference = models.get(uses.getFirst().model);
    for (String name : reference.names()) {
      if (LayerNames.layer(name) < 0 && LayerNames.isBefore(name) == before) {
        Place own = operands.find(base >= 0 ? base : uses.getFirst().model, name, null, reference);
        double position = LayerNames.position(name, layers);
        tensor(name, name, own, uses, position, List.of(slice.settings()), i -> name);
      }
    }
  }

  private void layer(Merge.Slice slice, int j, int to, int layers) throws IOException {
    List<Use> uses = uses(slice);
    Checkpoint reference = models.get(uses.getFirst().model);
    int from = slice.sources().getFirst().from() + j;
    boolean any = false;
    for (String name : reference.names()) {
      if (LayerNames.layer(name) != from) {
        continue;
      }
      any = true;
      Place own = operands.find(base >= 0 ? base : uses.getFirst().model, name, null, reference);
      tensor(
          LayerNames.withLayer(name, to),
          name,
          own,
          uses,
          layers < 2 ? 0 : (double) to / (layers - 1),
          List.of(slice.settings()),
          i -> LayerNames.withLayer(name, slice.sources().get(i).from() + j));
    }
    if (!any) {
      throw new IllegalArgumentException(reference + " has no layer " + from);
    }
  }

  private void tensor(
      String name,
      String nameInReference,
      Place own,
      List<Use> uses,
      double position,
      List<Map<String, Setting>> nearer,
      NameIn nameIn)
      throws IOException {
    Checkpoint reference = models.get(own.model());
    List<Place> places = new ArrayList<>();
    for (int i = 0; i < uses.size(); i++) {
      Place instead = base >= 0 ? own : null;
      places.add(operands.find(uses.get(i).model, nameIn.of(i), instead, reference));
    }
    long[] shape = operands.shape(nameInReference, own, places);
    StorageType type = own.entry().type();
    if (!FloatCodec.has(type)) {
      checkAlike(name, own, places);
      copy(name, own, type.isFloat() ? Work.SAME : Work.COPY, places, shape);
      return;
    }
    merge.method().checkCount(places.size());
    List<Place> all = new ArrayList<>(places);
    all.addFirst(own);
    Input from = base < 0 ? null : operands.input(nameInReference, own, places, shape);
    List<Input> inputs = new ArrayList<>();
    for (Place place : places) {
      if (!FloatCodec.has(place.entry().type())) {
        throw unlike(name, own, place);
      }
      inputs.add(operands.input(nameInReference, place, all, shape));
    }
    Map<String, Double> settings =
        values(name, position, merge.method().settings(), with(nearer, merge.settings()));
    List<Map<String, Double>> ofSources = new ArrayList<>();
    for (Use use : uses) {
      ofSources.add(
          values(
              name,
              position,
              merge.method().sourceSettings(),
              with(use.settings, merge.settings())));
    }
    StorageType written = merge.dtype() == null ? type : merge.dtype();
    String formula = Formula.of(merge.method(), settings, ofSources, labels(uses), base >= 0);
    tensors.add(
        new TensorPlan(
            name, written, shape, formula, Work.COMBINE, from, inputs, settings, ofSources));
  }

  private List<String> labels(List<Use> uses) {
    return uses.stream().map(use -> MergePlan.label(models.get(use.model))).toList();
  }

  private static <T> List<T> with(List<T> list, T last) {
    List<T> out = new ArrayList<>(list);
    out.add(last);
    return out;
  }

  private Map<String, Double> values(
      String name,
      double position,
      Map<String, Double> defaults,
      List<Map<String, Setting>> chain) {
    Map<String, Double> out = new TreeMap<>();
    defaults.forEach(
        (key, fallback) -> {
          @Nullable Double value = null;
          for (Map<String, Setting> settings : chain) {
            Setting setting = settings.get(key);
            value = value == null && setting != null ? setting.at(name, position) : value;
          }
          if (value == null && fallback.isNaN()) {
            throw new IllegalArgumentException(
                "method %s needs a %s; tensor %s has none"
                    .formatted(merge.method().id(), key, Operands.quote(name)));
          }
          out.put(key, value == null ? fallback : value);
        });
    return new LinkedHashMap<>(out);
  }

  private void copy(String name, Place place, Work work) {
    copy(name, place, work, List.of(), place.entry().shape());
  }

  private void copy(String name, Place own, Work work, List<Place> others, long[] shape) {
    List<Input> inputs = new ArrayList<>();
    inputs.add(operands.input(name, own, others, shape));
    for (Place place : work == Work.SAME ? others : List.<Place>of()) {
      if (place.model() != own.model()) {
        inputs.add(operands.input(name, place, List.of(own), shape));
      }
    }
    String formula = work == Work.SAME ? "alike in all models, copied" : "copied";
    tensors.add(
        new TensorPlan(
            name,
            own.entry().type(),
            shape,
            formula + " from " + MergePlan.label(models.get(own.model())),
            work,
            null,
            List.copyOf(inputs),
            Map.of(),
            List.of()));
  }

  private void checkAlike(String name, Place own, List<Place> others) {
    for (Place other : others) {
      if (other.entry().type() != own.entry().type()) {
        throw unlike(name, own, other);
      }
    }
  }

  private IllegalArgumentException unlike(String name, Place a, Place b) {
    return new IllegalArgumentException(
        "tensor "
            + Operands.quote(name)
            + " is "
            + a.entry().type()
            + " in "
            + models.get(a.model())
            + " and "
            + b.entry().type()
            + " in "
            + models.get(b.model())
            + ": these cannot be combined");
  }
}
