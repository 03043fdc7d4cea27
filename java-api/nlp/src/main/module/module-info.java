/** Heddle's models, text, training, methods and reports. */
module io.heddle.nlp {
  requires transitive io.heddle.engine;
  requires static org.jspecify;
  requires java.desktop;
  requires java.management;
  requires transitive com.fasterxml.jackson.databind;
  requires org.knowm.xchart;
  requires dev.hardwood.core;

  exports io.heddle.data;
  exports io.heddle.data.vectors;
  exports io.heddle.methods.choice;
  exports io.heddle.methods.finetune;
  exports io.heddle.methods.lm;
  exports io.heddle.methods.longrange;
  exports io.heddle.methods.merge;
  exports io.heddle.methods.pretrain;
  exports io.heddle.methods.study;
  exports io.heddle.methods.toolkit;
  exports io.heddle.methods.vectors;
  exports io.heddle.metrics;
  exports io.heddle.models;
  exports io.heddle.nn;
  exports io.heddle.progress;
  exports io.heddle.report;
  exports io.heddle.text;
  exports io.heddle.train;
}
