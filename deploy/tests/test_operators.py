"""Spoils resources of operators, to see that their schemas refuse it."""

import copy
import unittest

from operators import CLOUDNATIVE_PG, operated, wrong
from render import render


class Operators(unittest.TestCase):
    good = {document["kind"]: document for document in render("overlays/ha") if operated(document)}

    def refused(self, kind, change):
        document = copy.deepcopy(self.good[kind])
        change(document["spec"])
        return " ".join(wrong(document))

    def test_each_kind_is_there_and_right(self):
        self.assertEqual(set(self.good), {"Cluster", "RabbitmqCluster", "ScaledObject", "TriggerAuthentication"})
        for kind, document in self.good.items():
            self.assertEqual(wrong(document), [], kind)

    def test_a_misspelt_field_is_refused(self):
        for kind, change, said in (
            ("Cluster", lambda spec: spec.update(instance=3), "spec: Additional properties are not allowed ('instance' was unexpected)"),
            ("Cluster", lambda spec: spec["storage"].update(sise="1Gi"), "spec.storage: Additional properties"),
            ("Cluster", lambda spec: spec["postgresql"].update(params={}), "spec.postgresql: Additional properties"),
            ("RabbitmqCluster", lambda spec: spec.update(replica=3), "spec: Additional properties are not allowed ('replica' was unexpected)"),
            ("RabbitmqCluster", lambda spec: spec["rabbitmq"].update(config=""), "spec.rabbitmq: Additional properties"),
            ("RabbitmqCluster", lambda spec: spec["resources"].update(limit={}), "in its pod: "),
            ("ScaledObject", lambda spec: spec.update(maxReplicas=8), "a field that KEDA does not know"),
            ("TriggerAuthentication", lambda spec: spec.update(secretRef=[]), "a field that KEDA does not know"),
        ):
            with self.subTest(kind, said=said):
                self.assertIn(said, self.refused(kind, change))

    def test_a_wrong_value_is_refused(self):
        for kind, change, said in (
            ("Cluster", lambda spec: spec.update(instances="three"), "spec.instances: 'three' is not of type 'integer'"),
            ("Cluster", lambda spec: spec.pop("instances"), "'instances' is a required property"),
            ("Cluster", lambda spec: spec.update(primaryUpdateStrategy="slowly"), "spec.primaryUpdateStrategy: 'slowly' is not one of"),
            ("RabbitmqCluster", lambda spec: spec.update(replicas=-1), "spec.replicas: -1 is less than the minimum"),
            ("RabbitmqCluster", lambda spec: spec["persistence"].update(storage="much"), "spec.persistence.storage: 'much'"),
            ("RabbitmqCluster", lambda spec: spec["rabbitmq"].update(additionalConfig="no key\n"), "spec.rabbitmq.additionalConfig"),
            ("ScaledObject", lambda spec: spec.update(maxReplicaCount="many"), "maxReplicaCount"),
        ):
            with self.subTest(kind, said=said):
                self.assertIn(said, self.refused(kind, change))

    def test_cloudnative_pgs_schema_is_whole(self):
        named = set(CLOUDNATIVE_PG["$defs"])
        self.assertLessEqual({"ClusterSpec", "BackupSpec", "ScheduledBackupSpec"}, named)
        backup = {"apiVersion": "postgresql.cnpg.io/v1", "kind": "ScheduledBackup", "metadata": {"name": "nightly"}}
        spec = {"schedule": "0 0 3 * * *", "cluster": {"name": "store"}, "method": "volumeSnapshot"}
        self.assertEqual(wrong({**backup, "spec": spec}), [])
        self.assertIn("'shedule' was unexpected", " ".join(wrong({**backup, "spec": {**spec, "shedule": ""}})))


if __name__ == "__main__":
    unittest.main()
